"""Traces by OpenTelemetry: of each job one trace, from the request that brought it to the stages of its pictures.

    request (server) > job > waiting
                           > picture > encode, refine, decode, png, store
    batch encode | refine | decode      each network call, a trace of its own

A stage links to the batches that it took part in, so that from a slow picture one comes to who shared its calls.
No span tells a prompt. A job that was accepted before the service started is a trace of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import __version__
from ...engine.watching import Batch
from ..jobs import Job
from .requests import route_of
from .sights import JobAccepted, JobEnded, JobReturned, JobTaken, PictureFailed, PictureKept, Sight

_MOST_LINKS, _MOST_JOBS = 1024, 4096
_ASKED_ALL_THE_TIME = frozenset({"/metrics", "/healthz", "/readyz", "/v1/admin/status"})


@dataclass
class _Stage:
    span: Span
    ends: float


@dataclass
class _Picture:
    span: Span
    stages: dict[str, _Stage] = field(default_factory=dict)


@dataclass
class _Traced:
    span: Span
    waiting: Span | None
    pictures: dict[int, _Picture] = field(default_factory=dict)


class Traces:
    """Makes spans of what happens and hands them to `exporter`, else to where OTEL_EXPORTER_OTLP_ENDPOINT says; looks
    at every sight."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        ours = Resource({"service.name": "limner", "service.version": __version__})
        # What the environment says goes before what the service says of itself.
        told = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        limits = SpanLimits(max_links=_MOST_LINKS)
        self._provider = TracerProvider(resource=told, span_limits=limits, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("limner", __version__)
        self._jobs: dict[str, _Traced] = {}
        self._lock = threading.Lock()
        self._make: dict[type, Callable[[Any], None]] = {
            JobAccepted: self._accepted,
            JobTaken: self._taken,
            Batch: self._batch,
            PictureKept: self._kept,
            PictureFailed: self._failed,
            JobReturned: self._returned,
            JobEnded: self._ended,
        }

    def __call__(self, sight: Sight, /) -> None:
        """Begin and end spans as things happen."""
        if make := self._make.get(type(sight)):
            with self._lock:
                make(sight)

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, with a span for each request but those that are made all the time, within the caller's trace where it
        sends `traceparent` (W3C Trace Context)."""
        return _Requests(app, self._tracer)

    def close(self) -> None:
        """Send what is left, and no more."""
        self._provider.shutdown()

    def _begin(self, job: Job, request: str, parent: Context | None) -> _Traced:
        attributes: dict[str, str | int] = {
            "limner.job": job.id,
            "limner.model": job.request.model,
            "limner.pictures": job.n,
            "limner.owner": job.owner,
            "limner.request": request,
        }
        span = self._tracer.start_span("job", parent, attributes=attributes, start_time=_ns(job.created_at))
        waiting = self._child("waiting", span, job.created_at)
        traced = self._jobs[job.id] = _Traced(span, waiting)
        if len(self._jobs) > _MOST_JOBS:  # another service took them from a queue that both share
            self._jobs.pop(next(iter(self._jobs))).span.end()
        return traced

    def _accepted(self, sight: JobAccepted) -> None:
        # Whoever accepts a job is within the span of its request. The runner may have been quicker.
        if sight.job.id not in self._jobs:
            self._begin(sight.job, sight.request, trace.set_span_in_context(trace.get_current_span()))

    def _taken(self, sight: JobTaken) -> None:
        job = sight.job
        traced = self._jobs.get(job.id) or self._begin(job, "", Context())
        now = time.time()
        if traced.waiting is not None:
            traced.waiting.end(_ns(now))
            traced.waiting = None
        done = {image.index for image in job.images}
        for index in set(range(job.n)) - done:
            span = self._child("picture", traced.span, now, {"limner.index": index})
            traced.pictures[index] = _Picture(span)

    def _batch(self, sight: Batch) -> None:
        pictures = [found for name in sight.pictures if (found := self._picture(name)) is not None]
        if not pictures:
            return
        attributes: dict[str, str | int] = {
            "limner.model": sight.model,
            "limner.graph": sight.graph,
            "limner.rows": sight.rows,
            "limner.pictures": len(sight.pictures),
        }
        began, ends = sight.began, sight.began + sight.seconds
        batch = self._tracer.start_span(
            f"batch {sight.stage}", Context(), attributes=attributes, start_time=_ns(began)
        )
        if sight.error is not None:
            batch.set_status(Status(StatusCode.ERROR, sight.error))
        batch.end(_ns(ends))
        for picture in pictures:
            self._stage(picture, sight.stage, began, ends, batch.get_span_context())

    def _stage(self, picture: _Picture, name: str, began: float, ends: float, batch: SpanContext) -> None:
        stage = picture.stages.get(name)
        if stage is None:
            stage = picture.stages[name] = _Stage(self._child(name, picture.span, began), ends)
        stage.span.add_link(batch)
        stage.ends = ends

    def _kept(self, sight: PictureKept) -> None:
        traced = self._jobs.get(sight.job.id)
        picture = traced.pictures.pop(sight.image.index, None) if traced else None
        if picture is None:
            return
        now = time.time()
        encoded = now - sight.storing
        self._child("png", picture.span, encoded - sight.encoding).end(_ns(encoded))
        self._child("store", picture.span, encoded).end(_ns(now))
        picture.span.set_attribute("limner.image", sight.image.id)
        _end(picture, now)

    def _failed(self, sight: PictureFailed) -> None:
        if traced := self._jobs.get(sight.job.id):
            traced.span.add_event("a picture failed", {"limner.kind": sight.kind})

    def _returned(self, sight: JobReturned) -> None:
        traced = self._jobs.get(sight.job.id)
        if traced is None:
            return
        now = time.time()
        self._leave(traced, now)
        if sight.reason is None:  # the service stops, and another life of it goes on
            del self._jobs[sight.job.id]
            traced.span.end(_ns(now))
        else:
            traced.span.add_event("queued again", {"limner.reason": sight.reason})
            traced.waiting = self._child("waiting", traced.span, now)

    def _ended(self, sight: JobEnded) -> None:
        traced = self._jobs.pop(sight.job.id, None)
        if traced is None:
            return
        now = sight.job.finished_at or time.time()
        self._leave(traced, now)
        if traced.waiting is not None:
            traced.waiting.end(_ns(now))
        traced.span.set_attribute("limner.end", sight.job.state)
        if sight.job.state == "failed":
            traced.span.set_status(Status(StatusCode.ERROR, sight.job.error))
        traced.span.end(_ns(now))

    def _leave(self, traced: _Traced, now: float) -> None:
        for picture in traced.pictures.values():
            picture.span.set_status(Status(StatusCode.ERROR, "not finished"))
            _end(picture, now)
        traced.pictures.clear()

    def _picture(self, name: str) -> _Picture | None:
        """By the name that the runner gave it: the job's id, a slash, the index."""
        job, _, index = name.rpartition("/")
        traced = self._jobs.get(job)
        return traced.pictures.get(int(index)) if traced and index.isdecimal() else None

    def _child(self, name: str, parent: Span, began: float, attributes: dict[str, int] | None = None) -> Span:
        context = trace.set_span_in_context(parent, Context())
        return self._tracer.start_span(name, context, attributes=attributes, start_time=_ns(began))


class _Requests:
    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _ASKED_ALL_THE_TIME:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        method = scope["method"]
        with self._tracer.start_as_current_span(
            method,
            self._propagator.extract(sent, Context()),
            SpanKind.SERVER,
            {"http.request.method": method},
        ) as span:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    route, status = route_of(scope), int(message["status"])
                    span.update_name(f"{method} {route}".strip())
                    request = scope.get("state", {}).get("request_id", "")
                    told = {
                        "http.route": route,
                        "http.response.status_code": status,
                        "limner.request": request,
                    }
                    span.set_attributes(told)
                    if status >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            await self._app(scope, receive, told)


def _end(picture: _Picture, now: float) -> None:
    for stage in picture.stages.values():
        stage.span.end(_ns(stage.ends))
    picture.span.end(_ns(now))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
