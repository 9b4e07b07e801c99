"""The numbers that Prometheus reads: what is counted, under which name, with which labels.

Labels come from short lists: routes as templates, models that are here, kinds of errors, owners of keys. Nothing that
a stranger can choose freely becomes a label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, disable_created_metrics

from ...engine.watching import Batch, EngineEnded, LetGo, Loaded, TextsLookedUp
from ..access.quotas import UNIT, cost
from .sights import (
    Answered,
    GateFailed,
    GateRefused,
    JobAccepted,
    JobEnded,
    JobReturned,
    JobTaken,
    PictureFailed,
    PictureKept,
    PictureStepped,
    ResultsLookedUp,
    Sight,
)

_ANSWER = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DRAWING = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500)
_CALL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TOGETHER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What is counted while the service runs, in a registry of its own; it looks at every sight."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._make: dict[type, Callable[[Any], None]] = {
            Answered: self._answered,
            JobAccepted: self._accepted,
            ResultsLookedUp: self._results,
            JobTaken: self._taken,
            PictureStepped: self._stepped,
            PictureKept: self._kept,
            PictureFailed: self._picture_failed,
            JobReturned: self._returned,
            JobEnded: self._ended,
            Batch: self._batch,
            Loaded: self._loaded,
            LetGo: self._let_go,
            EngineEnded: self._engine_ended,
            TextsLookedUp: self._texts,
            GateRefused: self._refused,
            GateFailed: self._gate_failed,
        }
        self.requests = self._counter(
            "limner_http_requests", "Requests answered.", "method", "route", "status"
        )
        self.answer_seconds = self._histogram(
            "limner_http_answer_seconds", "Time until the answer began.", _ANSWER, "method", "route"
        )
        self.accepted = self._counter("limner_jobs_accepted", "Jobs that were put into the queue.", "model")
        self.ended = self._counter(
            "limner_jobs_ended", "Jobs by their end: succeeded, failed, cancelled.", "model", "end"
        )
        self.returned = self._counter(
            "limner_jobs_returned", "Jobs that were queued again after something went wrong.", "model"
        )
        self.wait_seconds = self._histogram(
            "limner_job_wait_seconds", "Time a job waited before drawing began.", _DRAWING
        )
        self.job_seconds = self._histogram(
            "limner_job_seconds", "Time from a job's acceptance to its success.", _DRAWING, "model"
        )
        self.pictures = self._counter("limner_pictures", "Pictures drawn and kept.", "model")
        self.picture_seconds = self._histogram(
            "limner_picture_seconds", "Time the engine had a picture.", _DRAWING, "model"
        )
        self.steps = self._counter("limner_steps", "Steps of pictures.", "model")
        self.units = self._counter(
            "limner_compute_units", "Compute units of finished pictures: pixels x steps / 1 000 000.", "owner"
        )
        self.errors = self._counter(
            "limner_errors",
            "What went wrong, by where (request, picture, call, gate) and by kind.",
            "where",
            "kind",
        )
        self.call_rows = self._histogram(
            "limner_call_rows", "Rows of one network call.", _TOGETHER, "model", "stage"
        )
        self.call_pictures = self._histogram(
            "limner_call_pictures", "Pictures that share one network call.", _TOGETHER, "model", "stage"
        )
        self.stage_seconds = self._histogram(
            "limner_stage_seconds",
            "Time of one network call (encode, refine, decode), or of one picture's file (png, store).",
            _CALL,
            "model",
            "stage",
        )
        self.texts = self._counter(
            "limner_texts", "Texts looked up: hit (encoding kept from before) or miss.", "model", "result"
        )
        self.results = self._counter(
            "limner_results",
            "Pictures asked for with a seed: hit (drawn before, answered at once) or miss.",
            "model",
            "result",
        )
        self.refused = self._counter(
            "limner_gate_refusals", "What gates refused: prompt, picture or upload.", "gate", "what"
        )
        self.let_go = self._counter("limner_models_let_go", "Models taken out of memory.", "model")
        self.engine_ends = self._counter(
            "limner_engine_ends", "Processes of the engine that are over; another one follows."
        )
        self.load_seconds = Summary(
            "limner_graph_load_seconds",
            "Time to read and compile a network.",
            ("model", "graph"),
            registry=self.registry,
        )

    def __call__(self, sight: Sight, /) -> None:
        """Count what happened."""
        self._make[type(sight)](sight)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def _answered(self, sight: Answered) -> None:
        method = sight.method if sight.method in _METHODS else "other"
        self.requests.labels(method, sight.route, sight.status).inc()
        self.answer_seconds.labels(method, sight.route).observe(sight.seconds)
        if sight.failed:
            self.errors.labels("request", sight.status).inc()

    def _accepted(self, sight: JobAccepted) -> None:
        self.accepted.labels(sight.job.request.model).inc()

    def _results(self, sight: ResultsLookedUp) -> None:
        model = sight.job.request.model
        self.results.labels(model, "hit").inc(sight.found)
        self.results.labels(model, "miss").inc(sight.job.n - sight.found)

    def _taken(self, sight: JobTaken) -> None:
        job = sight.job
        if job.attempts == 1 and job.started_at is not None:
            self.wait_seconds.observe(max(0.0, job.started_at - job.created_at))

    def _stepped(self, sight: PictureStepped) -> None:
        self.steps.labels(sight.job.request.model).inc(sight.taken)

    def _kept(self, sight: PictureKept) -> None:
        job, image = sight.job, sight.image
        model = job.request.model
        self.pictures.labels(model).inc()
        self.picture_seconds.labels(model).observe(image.seconds)
        self.stage_seconds.labels(model, "png").observe(sight.encoding)
        self.stage_seconds.labels(model, "store").observe(sight.storing)
        self.units.labels(job.owner).inc(cost(job.request, 1) / UNIT)

    def _picture_failed(self, sight: PictureFailed) -> None:
        self.errors.labels("picture", sight.kind).inc()

    def _returned(self, sight: JobReturned) -> None:
        if sight.reason is not None:
            self.returned.labels(sight.job.request.model).inc()

    def _ended(self, sight: JobEnded) -> None:
        job = sight.job
        self.ended.labels(job.request.model, job.state).inc()
        if job.state == "succeeded" and job.finished_at is not None:
            self.job_seconds.labels(job.request.model).observe(max(0.0, job.finished_at - job.created_at))

    def _batch(self, sight: Batch) -> None:
        if sight.error is not None:
            self.errors.labels("call", sight.error).inc()
            return
        self.call_rows.labels(sight.model, sight.stage).observe(sight.rows)
        self.call_pictures.labels(sight.model, sight.stage).observe(len(sight.pictures))
        self.stage_seconds.labels(sight.model, sight.stage).observe(sight.seconds)

    def _loaded(self, sight: Loaded) -> None:
        self.load_seconds.labels(sight.model, sight.graph).observe(sight.seconds)

    def _let_go(self, sight: LetGo) -> None:
        self.let_go.labels(sight.model).inc()

    def _engine_ended(self, sight: EngineEnded) -> None:
        self.engine_ends.inc()

    def _refused(self, sight: GateRefused) -> None:
        self.refused.labels(sight.gate, sight.what).inc()

    def _gate_failed(self, sight: GateFailed) -> None:
        self.errors.labels("gate", sight.kind).inc()

    def _texts(self, sight: TextsLookedUp) -> None:
        self.texts.labels(sight.model, "hit").inc(sight.found)
        self.texts.labels(sight.model, "miss").inc(sight.missed)
