"""A database that goes away, an object store that goes away, a disk that is full: 503, and all goes on by itself."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.service.app import create_app
from limner.service.storage import StorageOptions
from tests.service.fake_studio import FakeStudio

from .servers import ObjectStore, Postgres

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", place]).returncode:
        pytest.skip("a small disk can be made by root alone")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def serving(data_dir: Path, studio: FakeStudio, storage: StorageOptions) -> TestClient:
    app = create_app(data_dir, studio, parallel=1, drain_seconds=0.2, storage=storage)
    return TestClient(app, base_url=BASE)


def ask(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"prompt": "a red apple", **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()  # type: ignore[no-any-return]


def until(client: TestClient, job: str, *states: str) -> dict[str, Any]:
    for _ in range(6000):
        answer = client.get(f"/v1/jobs/{job}")
        if answer.status_code == 200 and answer.json()["state"] in states:
            return answer.json()  # type: ignore[no-any-return]
        time.sleep(0.01)
    raise AssertionError(f"job stayed: {answer.text}")


def refused(client: TestClient, method: str, path: str, **how: Any) -> str:
    answer = client.request(method, path, **how)
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def goes_on(
    client: TestClient, studio: FakeStudio, leaves: Callable[[], object], returns: Callable[[], object]
) -> None:
    """A picture that is finished while a store is away is kept when it is back, and not drawn again."""
    studio.gate.clear()
    running, waiting = ask(client, seed=1)["id"], ask(client, seed=2)["id"]
    until(client, running, "running")
    leaves()
    try:
        assert client.get("/readyz").status_code == 503
        assert "try again" in refused(client, "POST", "/v1/jobs", json={"prompt": "a red apple"})
        studio.gate.set()
        assert studio.ended.acquire(timeout=30), "it is drawn to its end meanwhile"
    finally:
        returns()
    for job in (running, waiting):
        done = until(client, job, "succeeded", "failed")
        assert (done["state"], done["attempts"], len(done["images"])) == ("succeeded", 1, 1)
        assert client.get(done["images"][0]["url"]).status_code == 200
    assert [request.seed for request in studio.started] == [1, 2]
    assert client.get("/readyz").status_code == 200
    assert until(client, ask(client, seed=3)["id"], "succeeded")


def test_a_database_that_goes_away(postgres: Postgres, tmp_path: Path, studio: FakeStudio) -> None:
    with serving(tmp_path, studio, StorageOptions(database=postgres.database())) as client:
        goes_on(client, studio, postgres.stop, postgres.start)


def test_an_object_store_that_goes_away(
    objects: ObjectStore, tmp_path: Path, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in objects.variables().items():
        monkeypatch.setenv(name, value)
    with serving(tmp_path, studio, StorageOptions(images=objects.url("away"))) as client:
        image = until(client, ask(client)["id"], "succeeded")["images"][0]["url"]
        studio.started.clear()
        assert studio.ended.acquire(timeout=30)

        def leaves() -> None:
            objects.kill()
            assert "picture store" in refused(client, "GET", image)

        goes_on(client, studio, leaves, objects.restart)


def test_a_full_disk(small_disk: Path, studio: FakeStudio) -> None:
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))

    with serving(small_disk, studio, StorageOptions()) as client:
        goes_on(client, studio, fill, filler.unlink)


def test_a_picture_that_a_job_is_made_from_is_waited_for(
    objects: ObjectStore, tmp_path: Path, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in objects.variables().items():
        monkeypatch.setenv(name, value)
    with serving(tmp_path, studio, StorageOptions(images=objects.url("source"))) as client:
        first = until(client, ask(client, seed=1)["id"], "succeeded")["images"][0]
        studio.gate.clear()
        running = ask(client, seed=2)["id"]
        until(client, running, "running")
        made_from = ask(client, seed=3, image=first["id"])["id"]
        objects.sleep()
        try:
            client.delete(f"/v1/jobs/{running}")
            studio.gate.set()
        finally:
            objects.wake()
        done = until(client, made_from, "succeeded", "failed")
        assert (done["state"], done["attempts"]) == ("succeeded", 1)
