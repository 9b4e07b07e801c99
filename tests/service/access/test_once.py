"""Requests with an Idempotency-Key."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from limner.service.access.once import _fingerprint
from limner.service.app import create_app

from ..conftest import Await
from ..fake_studio import FakeStudio
from .conftest import BASE, As

BODY = {"prompt": "a red apple", "seed": 1}


def send(
    client: TestClient, key: str = "k1", body: dict[str, Any] | None = None, path: str = "/v1/jobs"
) -> Any:
    return client.post(path, json=BODY if body is None else body, headers={"idempotency-key": key})


def jobs(client: TestClient) -> list[str]:
    return [job["id"] for job in client.get("/v1/jobs").json()["jobs"]]


def forget_the_answer(folder: Path) -> None:
    """As if the service had died between making the job and answering."""
    with sqlite3.connect(folder / "limner.db") as connection:
        changed = connection.execute("UPDATE once SET status = NULL, headers = NULL, body = NULL").rowcount
    assert changed == 1


def test_what_is_sent_again_is_answered_again(client: TestClient, until: Await) -> None:
    first = send(client)
    until(first.json()["id"], "succeeded")
    again = send(client)
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert jobs(client) == [first.json()["id"]]
    assert send(client, "k2").json()["id"] != first.json()["id"]


def test_a_key_is_for_one_request(client: TestClient) -> None:
    send(client)
    other = send(client, body=BODY | {"seed": 2})
    assert other.status_code == 422 and "another request" in other.json()["detail"]
    elsewhere = send(client, path="/v1/images/generations")
    assert elsewhere.status_code == 400, "OpenAI's form of it"
    assert len(jobs(client)) == 1


def test_one_that_still_runs_is_not_run_beside_itself(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.gate.clear()
    path, body = "/v1/images/generations", {"prompt": "a red apple"}
    with ThreadPoolExecutor() as threads:
        first = threads.submit(send, client, "k1", body, path)
        while not (known := jobs(client)):
            pass
        until(known[0], "running")
        second = send(client, "k1", body, path)
        assert second.status_code == 409 and second.headers["retry-after"] == "1"
        studio.gate.set()
        answer = first.result()
    assert answer.status_code == 200
    assert send(client, "k1", body, path).json() == answer.json()
    assert len(jobs(client)) == 1


def test_a_service_that_died_before_it_answered_makes_no_second_job(tmp_path: Path) -> None:
    with TestClient(create_app(tmp_path, FakeStudio(), drain_seconds=0.2), base_url=BASE) as before:
        made = send(before).json()["id"]
    forget_the_answer(tmp_path)
    with TestClient(create_app(tmp_path, FakeStudio(), drain_seconds=0.2), base_url=BASE) as after:
        again = send(after)
        assert (again.status_code, again.json()["id"]) == (202, made)
        assert jobs(after) == [made]


def test_answers_are_kept_over_a_restart(tmp_path: Path) -> None:
    with TestClient(create_app(tmp_path, FakeStudio(), drain_seconds=0.2), base_url=BASE) as before:
        made = send(before).content
    with TestClient(create_app(tmp_path, FakeStudio(), drain_seconds=0.2), base_url=BASE) as after:
        assert send(after).content == made


def test_a_stream_is_run_again_over_the_same_job(client: TestClient) -> None:
    body = {"prompt": "a red apple", "stream": True}
    first, again = (send(client, "k1", body, "/v1/images/generations") for _ in range(2))
    assert "image_generation.completed" in first.text and "image_generation.completed" in again.text
    assert first.headers["limner-job"] == again.headers["limner-job"]
    assert len(jobs(client)) == 1


def test_pictures_are_no_part_of_an_answer_that_is_kept(client: TestClient, tmp_path: Path) -> None:
    body = {"prompt": "a red apple"}
    first, again = (send(client, "k1", body, "/v1/images/generations") for _ in range(2))
    assert first.headers["limner-job"] == again.headers["limner-job"] and len(jobs(client)) == 1
    assert first.json()["data"][0]["b64_json"] == again.json()["data"][0]["b64_json"]
    with sqlite3.connect(tmp_path / "limner.db") as connection:
        assert connection.execute("SELECT status, body FROM once").fetchall() == [(None, None)]


def test_what_was_refused_may_be_mended_and_sent_again(client: TestClient) -> None:
    assert send(client, body={"prompt": ""}).status_code == 422
    assert send(client).status_code == 202


@pytest.mark.parametrize("how", ["", "?forget=true"])
def test_what_was_cancelled_is_not_made_again(client: TestClient, studio: FakeStudio, how: str) -> None:
    studio.gate.clear()
    path, body = "/v1/images/generations", {"prompt": "a red apple"}
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(send, client, "k1", body, path)
        while not (known := jobs(client)):
            pass
        client.delete(f"/v1/jobs/{known[0]}{how}")
        first = sent.result()
    studio.gate.set()
    again = send(client, "k1", body, path)
    assert (first.status_code, again.status_code, again.content) == (409, 409, first.content)
    assert again.headers["limner-job"] == known[0] and again.headers["x-should-retry"] == "false"
    assert jobs(client) == ([] if how else known)


def test_keys_of_two_owners_are_two(client: TestClient, known: As) -> None:
    first, second = send(known("one")).json()["id"], send(known("other")).json()["id"]
    assert first != second
    assert jobs(known("one")) == [first] and jobs(known("other")) == [second]


def test_a_key_is_free_again_after_a_day(client: TestClient, tmp_path: Path) -> None:
    first = send(client).json()["id"]
    with sqlite3.connect(tmp_path / "limner.db") as connection:
        connection.execute("UPDATE once SET created_at = created_at - 86401")
    assert send(client).json()["id"] != first


@pytest.mark.parametrize("key", ["", "a b", "\u00e9", "a" * 256])
def test_what_is_no_key(client: TestClient, key: str) -> None:
    answer = client.post("/v1/jobs", json=BODY, headers={b"idempotency-key": key.encode()})
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["detail"]
    assert jobs(client) == []


@pytest.mark.parametrize(
    ("path", "status"), [("/", 405), ("/healthz", 405), ("/pages/x", 405), ("/v1/nothing", 404)]
)
def test_nothing_is_read_of_what_no_route_takes(client: TestClient, path: str, status: int) -> None:
    answered: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "root_path": "", "query_string": b"", "scheme": "http",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"idempotency-key", b"k1")], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert answered[0]["status"] == status


def test_a_form_is_the_same_whatever_its_boundary() -> None:
    def form(boundary: str, text: str) -> str:
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n{text}\r\n--{boundary}--\r\n'
        kind = f"multipart/form-data; boundary={boundary}".encode()
        return _fingerprint(
            {"method": "POST", "path": "/", "headers": [(b"content-type", kind)]}, body.encode()
        )

    assert form("aaaa1111", "cat") == form("bbbb2222", "cat") != form("aaaa1111", "dog")
