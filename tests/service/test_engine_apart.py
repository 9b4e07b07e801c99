"""The service over a real engine in a process of its own, which is ended in the middle of its work."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.engine.apart import ApartStudio, Rules
from limner.registry.models import Registry
from limner.service.app import create_app

from ..engine.apart.breaking_child import HOLD
from ..engine.apart.test_apart import BREAKING
from ..engine.apart.test_apart import until as comes_to_pass


@pytest.fixture(scope="module")
def registry(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """One for all engines of this file: what one has compiled the next reads."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copytree(tiny_model, folder / "models" / "tiny" / "1")
    return Registry(folder)


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file exists no engine begins, and no picture goes on after its second step."""
    file = tmp_path / "hold"
    monkeypatch.setenv(HOLD, str(file))
    return file


@pytest.fixture
def studio(registry: Registry, hold: Path) -> ApartStudio:
    return ApartStudio(registry, threads=1, rules=Rules(first_pause=0.01), command=BREAKING)


@pytest.fixture
def client(tmp_path: Path, studio: ApartStudio) -> Iterator[TestClient]:
    app = create_app(tmp_path, studio, lambda: studio.preload("tiny"), model="tiny@1")
    with TestClient(app, base_url="http://127.0.0.1:8000") as made:
        yield made


def ask(client: TestClient, **fields: Any) -> str:
    answer = client.post("/v1/jobs", json={"prompt": "a red apple", "seed": 5, "steps": 3} | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def until(client: TestClient, job: str, *states: str) -> dict[str, Any]:
    for _ in range(6000):
        answer = client.get(f"/v1/jobs/{job}")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        if found["state"] in states:
            return found
        time.sleep(0.01)
    raise AssertionError(f"job stayed {found['state']}")


def ended(client: TestClient, job: str) -> dict[str, Any]:
    return until(client, job, "succeeded", "failed", "cancelled")


def test_kill_9_in_the_middle_of_a_picture_changes_nothing_about_it(
    client: TestClient, studio: ApartStudio, hold: Path
) -> None:
    undisturbed = ended(client, ask(client))
    first = client.get(undisturbed["images"][0]["url"]).content
    # Else the same would be given again, and nothing drawn.
    client.delete(f"/v1/jobs/{undisturbed['id']}", params={"forget": True})
    hold.touch()
    job = ask(client)
    comes_to_pass(lambda: until(client, job, "queued", "running")["step"] > 0)
    before = studio.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert client.get("/healthz").status_code == 200
    hold.unlink()
    done = ended(client, job)
    assert (done["state"], done["attempts"]) == ("succeeded", 2)
    assert studio.pid != before
    assert client.get(done["images"][0]["url"]).content == first


def test_readiness_tells_that_the_engine_is_away_and_jobs_are_taken_meanwhile(
    client: TestClient, studio: ApartStudio, hold: Path
) -> None:
    ended(client, ask(client))
    assert client.get("/readyz").status_code == 200
    pid = studio.pid
    assert pid is not None
    hold.touch()
    os.kill(pid, signal.SIGKILL)
    comes_to_pass(lambda: client.get("/readyz").status_code != 200)
    told = client.get("/readyz")
    assert told.status_code == 503 and told.json()["parts"]["engine"] != "ok"
    job = ask(client)
    hold.unlink()
    assert ended(client, job)["state"] == "succeeded"
    comes_to_pass(lambda: client.get("/readyz").status_code == 200)


def test_a_job_that_ends_the_engine_is_set_aside_and_the_others_are_drawn(client: TestClient) -> None:
    good = [ask(client, seed=seed, steps=100) for seed in range(3)]
    poison = ask(client, prompt="die")
    good += [ask(client, seed=seed) for seed in range(3)]
    failed = ended(client, poison)
    assert failed["state"] == "failed"
    assert "set aside" in failed["error"] and "signal 11" in failed["error"] and "3 times" in failed["error"]
    assert {ended(client, job)["state"] for job in good} == {"succeeded"}
