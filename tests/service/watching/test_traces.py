from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs the extra [scale]")

from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from limner.engine.studio import LocalStudio
from limner.engine.watching import Batch
from limner.errors import Unavailable
from limner.registry.models import Registry
from limner.service.app import create_app
from limner.service.watching import Watching, traces_of_environment
from limner.service.watching.traces import Traces

from ..fake_studio import FakeStudio
from ..running import running

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "mine"}


class Receiver(ThreadingHTTPServer):
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Span]:
        """All that came."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        scopes = [
            scope for request in requests for each in request.resource_spans for scope in each.scope_spans
        ]
        return [span for scope in scopes for span in scope.spans]


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver) and self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_one_trace_goes_from_the_request_to_the_batches(receiver: Receiver, tmp_path: Path) -> None:
    watching = Watching()
    studio = LocalStudio(Registry(tmp_path), threads=1, watcher=watching)
    app = create_app(tmp_path, studio, watching=watching, traces=traces_of_environment())
    with running(app) as url, httpx.Client(base_url=url, timeout=120) as http:
        asked = {"prompt": "a secret apple", "n": 2, "steps": 3, "seed": 1}
        job = http.post("/v1/jobs", json=asked, headers=SENT).json()["id"]
        http.get(f"/v1/jobs/{job}/events")
        http.get("/metrics")
    spans = receiver.spans()
    own = {span.span_id: span for span in spans if span.trace_id.hex() == TRACE}
    names = Counter(span.name for span in own.values())
    assert names.pop("encode") in {1, 2}  # the second picture may find the text encoded
    assert names == {
        "POST /v1/jobs": 1, "job": 1, "waiting": 1, "picture": 2, "refine": 2, "decode": 2, "png": 2, "store": 2,
    }  # fmt: skip

    parents = {
        (span.name, own[span.parent_span_id].name) for span in own.values() if span.parent_span_id in own
    }
    inner = {(name, "picture") for name in ("encode", "refine", "decode", "png", "store")}
    assert parents == inner | {("picture", "job"), ("waiting", "job"), ("job", "POST /v1/jobs")}
    batches = {span.span_id: span for span in spans if span.name.startswith("batch ")}
    assert all(span.trace_id.hex() != TRACE and not span.parent_span_id for span in batches.values())
    for span in own.values():
        linked = [batches[link.span_id].name for link in span.links]
        assert linked == {
            "refine": ["batch refine"] * 3,
            "decode": ["batch decode"],
            "encode": ["batch encode"],
        }.get(span.name, [])
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    refines = [span for span in batches.values() if span.name == "batch refine"]
    assert any(_told(span)["limner.pictures"] == 2 for span in refines)
    (request,) = [span for span in own.values() if span.name == "POST /v1/jobs"]
    assert _told(request) | {"limner.request": "mine", "http.response.status_code": 202} == _told(request)
    assert not any(re.search(rb"secret|apple|metrics", body) for body in receiver.bodies)


def _told(span: Span) -> dict[str, object]:
    return {
        each.key: each.value.int_value if each.value.HasField("int_value") else each.value.string_value
        for each in span.attributes
    }


class Kept:
    """The spans of a service over the fake studio, when its client is closed."""

    def __init__(self, folder: Path, studio: FakeStudio) -> None:
        self._exporter = InMemorySpanExporter()
        self.traces = Traces(self._exporter)
        app = create_app(folder, studio, parallel=1, drain_seconds=0.1, traces=self.traces)
        self.client = TestClient(app, base_url="http://127.0.0.1:8000")

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


def test_a_job_tried_again_is_one_trace_that_says_so(tmp_path: Path) -> None:
    kept = Kept(tmp_path, FakeStudio(failures=1))
    with kept.client as http:
        http.get(f"/v1/jobs/{http.post('/v1/jobs', json={'prompt': 'a cat'}).json()['id']}/events")
    (job,) = kept.spans("job")
    assert [event.name for event in job.events] == ["a picture failed", "queued again"]
    assert job.attributes is not None and job.attributes["limner.end"] == "succeeded"
    assert [span.status.description for span in kept.spans("picture")] == ["not finished", None]
    assert len(kept.spans("waiting")) == 2


def test_what_the_service_leaves_is_ended_and_begun_again_by_the_next(tmp_path: Path) -> None:
    studio = FakeStudio()
    studio.gate.clear()
    first = Kept(tmp_path, studio)
    with first.client as http:
        job = http.post("/v1/jobs", json={"prompt": "a cat"}).json()["id"]
        while http.get(f"/v1/jobs/{job}").json()["state"] != "running":
            pass
    (left,) = first.spans("job")
    assert left.parent is not None
    second = Kept(tmp_path, FakeStudio())
    with second.client as http:
        http.get(f"/v1/jobs/{job}/events")
    (again,) = second.spans("job")
    assert again.parent is None
    assert again.attributes is not None and again.attributes["limner.job"] == job


def test_a_batch_of_pictures_that_nobody_asked_for_here_is_no_span(tmp_path: Path) -> None:
    kept = Kept(tmp_path, FakeStudio())
    for names in (("",), ("elsewhere/0",), ("odd",), ("x/y",)):
        kept.traces(Batch("m@1", "unet", "refine", 1, names, 1.0, 0.1))
    kept.traces.close()
    assert kept.spans("batch refine") == []


def test_there_are_no_traces_unless_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert traces_of_environment() is None


def test_what_traces_need_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    monkeypatch.delitem(sys.modules, "limner.service.watching.traces")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(Unavailable, match=r"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.*opentelemetry.*\[scale\]"):
        traces_of_environment()


def test_a_service_is_called_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for said in ("", "limner-two"):
        monkeypatch.setenv("OTEL_SERVICE_NAME", said)
        exporter = InMemorySpanExporter()
        traces = Traces(exporter)
        with traces._tracer.start_as_current_span("one"):
            pass
        traces.close()
        names.append(exporter.get_finished_spans()[0].resource.attributes["service.name"])
    assert names == ["limner", "limner-two"]
