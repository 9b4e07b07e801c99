"""The runner goes on after what nobody foresaw, and ends although a picture does not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from limner.service import runner
from limner.service.app import create_app

from .conftest import Await
from .fake_studio import FakeDrawing, FakeStudio
from .test_calls import ask


def test_it_goes_on_after_an_error_of_its_own(
    client: TestClient, until: Await, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = cast(FastAPI, client.app).state.service.store
    take, broken = store.take, list[str]()

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
