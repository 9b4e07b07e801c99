"""The runner goes on after what nobody foresaw, and ends although a picture does not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from limner.errors import Busy
from limner.service import runner
from limner.service.app import create_app

from .conftest import Await
from .fake_studio import FakeDrawing, FakeStudio
from .test_calls import ask


def test_it_goes_on_after_an_error_of_its_own(
    client: TestClient, until: Await, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = cast(FastAPI, client.app).state.service
    store, take, broken = service.store, service.store.take, list[str]()
    monkeypatch.setattr(service.runner.places, "promise", lambda bulk: None)  # it comes by way of the queue

    def breaks_once(worker: str, *arguments: Any, **options: Any) -> Any:
        if not broken:
            broken.append(worker)
            raise RuntimeError("nobody thought of this")
        return take(worker, *arguments, **options)

    monkeypatch.setattr(store, "take", breaks_once)
    done = until(ask(client)["id"], "succeeded", "failed")
    assert broken and (done["state"], done["attempts"]) == ("succeeded", 1)
    (told,) = [record for record in caplog.records if record.exc_info]
    assert told.message == "the runner met an error and goes on" and "nobody thought of this" in caplog.text


def test_a_job_that_is_refused_gives_its_place_back(
    client: TestClient, until: Await, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = cast(FastAPI, client.app).state.service

    def full(*_arguments: Any) -> Any:
        raise Busy("64 jobs are waiting", 1.0)

    with monkeypatch.context() as patched:
        patched.setattr(service.store, "add", full)
        answers = [client.post("/v1/jobs", json={"prompt": "a red apple"}).status_code for _ in range(20)]
    assert set(answers) == {429}
    until(ask(client)["id"], "succeeded")
    assert service.runner.places.empty and not any(service.runner.places._promises.values())


def test_a_job_runs_from_the_start_where_a_place_is_free_and_waits_where_none_is(
    client: TestClient, until: Await, studio: FakeStudio
) -> None:
    studio.gate.clear()
    parallel = cast(FastAPI, client.app).state.service.runner.places._most
    jobs = [ask(client, seed=k) for k in range(parallel + 2)]
    assert {job["state"] for job in jobs[:2]} <= {"queued", "running"} and jobs[-1]["state"] == "queued"
    for job in jobs[:parallel]:
        until(job["id"], "running")
    waiting = [cast(FastAPI, client.app).state.service.store.get(job["id"]) for job in jobs[parallel:]]
    assert [(job.state, job.position) for job in waiting] == [("queued", 1), ("queued", 2)]
    studio.gate.set()
    done = [until(job["id"], "succeeded", "failed") for job in jobs]
    assert {(job["state"], job["attempts"]) for job in done} == {("succeeded", 1)}


def test_a_picture_that_is_damaged_ends_the_job_that_begins_from_it_and_no_other(
    client: TestClient, until: Await, studio: FakeStudio, tmp_path: Path
) -> None:
    image = until(ask(client)["id"], "succeeded")["images"][0]["id"]
    studio.gate.clear()
    until(ask(client, seed=1)["id"], "running")
    begun, other = ask(client, seed=2, image=image)["id"], ask(client, seed=3)["id"]
    (file,) = tmp_path.glob(f"images/??/{image}.png")
    file.write_bytes(b"something else")
    studio.gate.set()
    assert until(other, "succeeded", "failed")["state"] == "succeeded"
    failed = until(begun, "succeeded", "failed")
    assert failed["state"] == "failed" and "damaged" in failed["error"] and failed["attempts"] == 1


def test_a_picture_that_does_not_stop_is_left_and_its_job_drawn_by_the_next(
    tmp_path: Path, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LETTING_GO", 0.05)
    monkeypatch.setattr(FakeDrawing, "cancel", lambda drawing: None)
    studio.gate.clear()
    with TestClient(create_app(tmp_path, studio, drain_seconds=0.05), base_url="http://127.0.0.1") as first:
        job = ask(first)["id"]
        _until(first, job, "running")
    assert studio.closed and not studio.ended.acquire(blocking=False), "the picture has not ended"
    with TestClient(create_app(tmp_path, FakeStudio()), base_url="http://127.0.0.1") as second:
        assert _until(second, job, "succeeded")["attempts"] == 1
    studio.gate.set()


def _until(client: TestClient, job: str, state: str) -> dict[str, Any]:
    for _ in range(3000):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
        if found["state"] == state:
            return found
        time.sleep(0.01)
    raise AssertionError(f"job stayed {found['state']}")
