"""Two services on one database and one place for pictures: nothing is drawn twice, both tell of all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from limner.engine.request import DrawRequest
from limner.service.app import create_app
from limner.service.database import open_database
from limner.service.jobs import Image, JobStore
from limner.service.storage import StorageOptions
from tests.service.fake_studio import FakeStudio
from tests.service.test_events import read

from .servers import Postgres

BASE = "http://127.0.0.1:8000"
REQUEST = DrawRequest(prompt="a red apple", seed=1, steps=4)


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    made = open_database(postgres.database())
    yield made
    made.dispose()


@pytest.fixture
def options(postgres: Postgres, tmp_path: Path) -> StorageOptions:
    return StorageOptions(database=postgres.database(), images=str(tmp_path / "pictures"))


@pytest.fixture
def studios() -> list[FakeStudio]:
    return [FakeStudio(0.001), FakeStudio(0.001)]


@pytest.fixture
def clients(options: StorageOptions, studios: list[FakeStudio], tmp_path: Path) -> Iterator[list[TestClient]]:
    one, two = (
        create_app(tmp_path / str(k), studio, parallel=2, drain_seconds=0.2, storage=options)
        for k, studio in enumerate(studios)
    )
    with TestClient(one, base_url=BASE) as first, TestClient(two, base_url=BASE) as second:
        yield [first, second]


def until(client: TestClient, job: str, *states: str) -> dict[str, Any]:
    for _ in range(3000):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
        if found["state"] in states:
            return found
        time.sleep(0.01)
    raise AssertionError(f"job stayed {found['state']}")


def ask(client: TestClient, **fields: Any) -> str:
    answer = client.post("/v1/jobs", json={"prompt": "a red apple", **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_row_that_one_takes_is_passed_over_by_the_other(engine: Engine) -> None:
    store = JobStore(engine)
    first, second = store.add(REQUEST, 1).id, store.add(REQUEST, 1).id
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM jobs ORDER BY number LIMIT 1 FOR UPDATE")
        taken = store.take("b", 60)
        assert taken is not None and taken.id == second
        assert store.take("b", 60) is None
    taken = store.take("b", 60)
    assert taken is not None and taken.id == first


def test_what_was_taken_over_records_nothing_of_the_first(engine: Engine) -> None:
    store = JobStore(engine)
    job = store.add(REQUEST, 1).id
    store.take("slow", -1)
    assert [each.state for each in store.recover("other")] == ["queued"]
    store.take("other", 60)
    picture = Image(0, "0" * 64, 1, 64, 64, 0.5)
    assert not store.record("slow", job, picture) and store.finish("slow", job).state == "running"
    assert store.held("slow") == frozenset() and store.held("other") == {job}
    assert store.record("other", job, picture) and store.finish("other", job).images == (picture,)


def test_every_job_is_drawn_once(clients: list[TestClient], studios: list[FakeStudio]) -> None:
    for studio in studios:
        studio.gate.clear()
    jobs = [ask(clients[k % 2], seed=k, n=2) for k in range(0, 40, 2)]
    deadline = time.monotonic() + 60
    while not all(studio.started for studio in studios) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert all(studio.started for studio in studios), "both draw"
    for studio in studios:
        studio.gate.set()
    for job in jobs:
        for client in clients:
            done = until(client, job, "succeeded", "failed")
            assert (done["state"], done["attempts"], len(done["images"])) == ("succeeded", 1, 2)
    drawn = [request.seed for studio in studios for request in studio.started]
    assert len(drawn) == 40


def test_a_job_is_followed_and_cancelled_from_either(
    clients: list[TestClient], studios: list[FakeStudio]
) -> None:
    for studio in studios:
        studio.gate.clear()
    job = ask(clients[0])
    until(clients[0], job, "running")
    drawing = studios.index(next(studio for studio in studios if studio.started))
    other = clients[1 - drawing]
    studios[drawing].gate.set()
    told = read(other.get(f"/v1/jobs/{job}/events").text)
    assert [event["event"] for event in told][-2:] == ["image", "succeeded"]
    picture = other.get(told[-1]["data"]["images"][0]["url"])
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"

    assert studios[drawing].ended.acquire(timeout=30), "the end of that picture"

    studios[drawing].gate.clear()
    before = [len(studio.started) for studio in studios]
    job = ask(clients[0])
    until(clients[0], job, "running")
    drawing = next(k for k in (0, 1) if len(studios[k].started) > before[k])
    assert clients[1 - drawing].delete(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    assert studios[drawing].ended.acquire(timeout=30), "drawing has stopped, though nothing moved"


def test_what_a_dead_service_held_is_drawn_by_the_other(
    options: StorageOptions, clients: list[TestClient]
) -> None:
    assert options.database is not None
    engine = open_database(options.database)
    store = JobStore(engine)
    while True:  # until the dead one has won a job
        job = store.add(REQUEST, 1).id
        taken = store.take("dead", -1)
        if taken is not None:
            break
        until(clients[0], job, "succeeded")
    engine.dispose()
    done = until(clients[0], taken.id, "succeeded", "failed")
    assert done["state"] == "succeeded" and done["attempts"] == 2


def test_two_may_start_at_once_on_an_empty_database(postgres: Postgres) -> None:
    url = postgres.database()
    failed: list[BaseException] = []

    def start() -> None:
        try:
            open_database(url).dispose()
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
