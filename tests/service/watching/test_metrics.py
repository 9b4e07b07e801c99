from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.engine.watching import Batch, EngineEnded, LetGo, Loaded, TextsLookedUp
from limner.service.operating import retry
from limner.service.watching import Metrics

from ..conftest import Await
from ..fake_studio import FakeStudio

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "watching.md"
LABELS = {
    "limner_build_info": ("version",),
    "limner_call_pictures": ("model", "stage"),
    "limner_call_rows": ("model", "stage"),
    "limner_compute_units_total": ("owner",),
    "limner_errors_total": ("where", "kind"),
    "limner_graph_load_seconds": ("model", "graph"),
    "limner_http_answer_seconds": ("method", "route"),
    "limner_http_requests_total": ("method", "route", "status"),
    "limner_job_seconds": ("model",),
    "limner_jobs_accepted_total": ("model",),
    "limner_jobs_ended_total": ("model", "end"),
    "limner_jobs_returned_total": ("model",),
    "limner_models_let_go_total": ("model",),
    "limner_memory_bytes": ("process",),
    "limner_model_info": ("model", "version", "family", "served"),
    "limner_picture_seconds": ("model",),
    "limner_pictures_total": ("model",),
    "limner_ready": ("part",),
    "limner_results_total": ("model", "result"),
    "limner_stage_seconds": ("model", "stage"),
    "limner_steps_total": ("model",),
    "limner_texts_total": ("model", "result"),
    "limner_gate_refusals_total": ("gate", "what"),
}


def value(client: TestClient, name: str, **labels: object) -> float | None:
    """What /metrics says of one series, None where it is not there."""
    found = client.app.state.metrics.registry.get_sample_value(  # type: ignore[attr-defined]
        name, {key: str(label) for key, label in labels.items()}
    )
    assert found is None or isinstance(found, float | int)
    return found


def make(client: TestClient, **fields: object) -> str:
    answer = client.post("/v1/jobs", json={"prompt": "a red apple"} | fields)
    assert answer.status_code == 202
    return str(answer.json()["id"])


MODEL = {"model": "storybook"}


def test_steps_are_counted_that_were_not_told(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.every = 3
    until(make(client, n=2, steps=7), "succeeded")
    assert value(client, "limner_steps_total", **MODEL) == 14


def test_a_picture_is_counted_all_the_way(client: TestClient, until: Await) -> None:
    until(make(client, n=2, steps=5), "succeeded")
    assert value(client, "limner_jobs_accepted_total", **MODEL) == 1
    assert value(client, "limner_pictures_total", **MODEL) == 2
    assert value(client, "limner_steps_total", **MODEL) == 10
    assert value(client, "limner_compute_units_total", owner="") == pytest.approx(2 * 5 * 64 * 64 / 1e6)
    assert value(client, "limner_job_wait_seconds_count") == 1
    for stage in ("png", "store"):
        assert value(client, "limner_stage_seconds_count", stage=stage, **MODEL) == 2
    text = client.get("/metrics").text
    assert 'limner_jobs_ended_total{end="succeeded",model="storybook"} 1.0' in text


def test_requests_are_counted_by_template_and_status(client: TestClient) -> None:
    for path in ("/v1/jobs/aaaa", "/v1/jobs/bbbb", "/v1/jobs", "/no/such", "/no/other"):
        client.get(path)
    client.post("/v1/jobs", json={"prompt": ""})
    client.request("BREW", "/v1/jobs")
    client.get("/v1/jobs", headers={"Host": "evil.example"})
    told = {
        ("GET", "/v1/jobs/{job_id}", 404): 2,
        ("GET", "/v1/jobs", 200): 1,
        ("GET", "", 404): 2,
        ("POST", "/v1/jobs", 422): 1,
        ("other", "/v1/jobs", 405): 1,
        ("GET", "", 421): 1,
    }
    for (method, route, status), count in told.items():
        labels = {"method": method, "route": route, "status": status}
        assert value(client, "limner_http_requests_total", **labels) == count, labels
    text = client.get("/metrics").text
    assert "aaaa" not in text and "such" not in text and "BREW" not in text
    seconds = value(client, "limner_http_answer_seconds_count", method="GET", route="/v1/jobs/{job_id}")
    assert seconds == 2


def test_a_job_cancelled_twice_ends_once(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.gate.clear()
    running, waiting = make(client), make(client)
    until(running, "running")
    for job in (waiting, running, running, waiting):
        client.delete(f"/v1/jobs/{job}")
    studio.gate.set()
    until(make(client), "succeeded")
    assert value(client, "limner_jobs_ended_total", end="cancelled", **MODEL) == 2


def test_a_job_that_is_tried_again_ends_again(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.failures = 3
    job = make(client)
    until(job, "failed")
    service = client.app.state.service  # type: ignore[attr-defined]
    retry(service._engine, job)
    service.runner.look()
    until(job, "succeeded")
    assert [
        value(client, "limner_jobs_ended_total", end=end, **MODEL) for end in ("failed", "succeeded")
    ] == [1, 1]
    assert not client.get("/v1/admin/status").json()["running"]


def test_what_goes_wrong_is_counted_by_kind(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.failures = 3
    until(make(client), "failed")
    assert value(client, "limner_errors_total", where="picture", kind="RuntimeError") == 3
    assert value(client, "limner_jobs_returned_total", **MODEL) == 2
    assert value(client, "limner_jobs_ended_total", end="failed", **MODEL) == 1


def test_the_queue_is_looked_up_at_each_scrape(client: TestClient, studio: FakeStudio, until: Await) -> None:
    assert value(client, "limner_queue_jobs") == 0
    assert value(client, "limner_queue_oldest_seconds") == 0
    studio.gate.clear()
    first = make(client)
    until(first, "running")
    make(client)
    make(client)
    assert value(client, "limner_queue_jobs") == 2
    assert value(client, "limner_queue_limit") == 3
    assert value(client, "limner_jobs_running") == 1
    assert (value(client, "limner_queue_oldest_seconds") or 0) > 0
    studio.gate.set()


def test_the_service_tells_its_models_memory_and_parts(client: TestClient) -> None:
    served = {"version": "1", "family": "diffusion", "served": "yes"}
    assert value(client, "limner_model_info", **MODEL, **served) == 1
    assert value(client, "limner_ready", part="database") == 1
    assert (value(client, "limner_data_free_bytes") or 0) > 0
    assert (value(client, "limner_memory_bytes", process="service") or 0) > 10_000_000
    assert value(client, "limner_memory_bytes", process="engine") is None
    assert re.search(r'limner_build_info\{version="[\d.]+"\} 1', client.get("/metrics").text)


def test_metrics_come_in_the_form_that_every_prometheus_reads(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=oops"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "_created" not in answer.text


def test_calls_of_the_engine_are_counted_by_stage() -> None:
    metrics = Metrics()
    metrics(Batch("m@1", "unet", "refine", 6, ("a/0", "b/0", "c/0"), 0.0, 0.02))
    metrics(Batch("m@1", "unet/full", "refine", 2, ("a/0",), 0.0, 0.03))
    metrics(Batch("m@1", "unet", "refine", 2, ("a/0",), 0.0, 9.0, "RuntimeError"))
    metrics(TextsLookedUp("m@1", 3, 1))
    metrics(Loaded("m@1", "unet", "openvino", 0.5))
    metrics(LetGo("m@1"))
    metrics(EngineEnded("was killed"))

    def told(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"model": "m@1", **labels})

    assert told("limner_call_rows_sum", stage="refine") == 8
    assert told("limner_call_pictures_sum", stage="refine") == 4
    assert told("limner_stage_seconds_sum", stage="refine") == pytest.approx(0.05)
    assert told("limner_stage_seconds_count", stage="refine") == 2
    assert told("limner_texts_total", result="hit") == 3
    assert told("limner_texts_total", result="miss") == 1
    assert told("limner_graph_load_seconds_sum", graph="unet") == 0.5
    assert told("limner_models_let_go_total") == 1
    assert metrics.registry.get_sample_value("limner_engine_ends_total") == 1
    wrong = {"where": "call", "kind": "RuntimeError"}
    assert metrics.registry.get_sample_value("limner_errors_total", wrong) == 1


def test_every_metric_is_limners_own_or_prometheus_own_of_a_process(client: TestClient) -> None:
    names = {family.name for family in client.app.state.metrics.registry.collect()}  # type: ignore[attr-defined]
    assert all(name.startswith(("limner_", "process_")) for name in names)


def test_the_documented_table_is_what_there_is(client: TestClient) -> None:
    rows = []
    for family in client.app.state.metrics.registry.collect():  # type: ignore[attr-defined]
        if family.name.startswith("limner_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in LABELS.get(name, ()))
            rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    found = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `limner_")]
    assert found == sorted(rows), "docs/watching.md should say:\n" + "\n".join(sorted(rows))


def test_labels_are_those_that_are_told(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.failures = 1
    until(make(client), "succeeded")
    told = client.app.state.service.watching  # type: ignore[attr-defined]
    told(Batch("m@1", "unet", "refine", 1, ("a",), 0.0, 0.1))
    told(TextsLookedUp("m@1", 1, 1))
    told(Loaded("m@1", "unet", "openvino", 0.5))
    told(LetGo("m@1"))
    found = {}
    for family in client.app.state.metrics.registry.collect():  # type: ignore[attr-defined]
        for sample in family.samples:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = set(sample.labels) - {"le"}
    assert {name: set(LABELS.get(name, ())) for name in found if name.startswith("limner_")} == {
        name: labels for name, labels in found.items() if name.startswith("limner_")
    }
