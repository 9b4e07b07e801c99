"""Hundreds of inputs that mean harm: each gets its right answer, and the service works on."""

from __future__ import annotations

import io
import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from limner.service.app import create_app
from limner.service.jobs import JobStore
from tests.service.fake_studio import FakeStudio
from tests.service.running import running

from . import addresses, bodies, headers, uploads
from .case import CLOSED, IMAGE, JOB, Case

CASES = [
    (f"{module.__name__.rpartition('.')[2]} {k}: {case.name}", case)
    for module in (bodies, uploads, addresses, headers)
    for k, case in enumerate(module.cases())
]


@dataclass(frozen=True)
class Target:
    """A service, with a picture and a job of the past in it."""

    url: str
    image: str
    job: str
    store: JobStore

    def jobs(self) -> int:
        """How many jobs there are."""
        return len(self.store.page(10_000))

    def ask(self, request: bytes, ends: bool = False) -> bytes:
        """What the socket gives back until it is closed."""
        request = request.replace(IMAGE.encode(), self.image.encode()).replace(
            JOB.encode(), self.job.encode()
        )
        with socket.create_connection(("127.0.0.1", int(self.url.rsplit(":")[-1])), timeout=60) as connection:
            try:
                connection.sendall(request)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65_536), b""))
            except ConnectionError:
                return b""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    app = create_app(tmp_path_factory.mktemp("hostile"), FakeStudio(), queue_limit=1000, drain_seconds=0.2)
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, "PNG")
        image = client.post(
            "/v1/images", content=file.getvalue(), headers={"content-type": "image/png"}
        ).json()
        job = client.post("/v1/jobs", json={"prompt": "a red apple"}).json()
        client.get(f"/v1/jobs/{job['id']}/events")
        yield Target(url, image["id"], job["id"], app.state.service.store)


def test_the_corpus_is_large() -> None:
    names = [name for name, _ in CASES]
    assert len(names) == len(set(names)) >= 200


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_a_hostile_input(target: Target, caplog: pytest.LogCaptureFixture, case: Case) -> None:
    before = target.jobs()
    with caplog.at_level(logging.ERROR):
        answer = target.ask(case.request, case.ends)
    status = _status(answer)
    assert status in case.expects, answer[:600]
    assert not caplog.records
    if status >= 400:
        _is_plain_about_it(answer)
    accepted = case.request.startswith(b"POST /v1/jobs ") and status in (100, 202)
    assert target.jobs() - before == accepted, "what is accepted is a job, and nothing else is"
    assert _status(target.ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == 200


def _status(answer: bytes) -> int:
    if not answer:
        return CLOSED
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


def _is_plain_about_it(answer: bytes) -> None:
    """A problem document that tells nothing of the inside, or the one line of the HTTP server itself."""
    head, _, body = answer.partition(b"\r\n\r\n")
    inside = (b"Traceback", b"site-packages", str(Path(__file__).parents[3]).encode())
    assert not [word for word in inside if word in body]
    if b"content-type: application/problem+json" in head.lower():
        problem, _ = json.JSONDecoder().raw_decode(body.decode())
        assert problem["status"] == _status(answer) and problem["title"] and problem["detail"]
    else:
        assert b"Invalid HTTP request received." in body or b"application/json" in head.lower(), answer[:300]
