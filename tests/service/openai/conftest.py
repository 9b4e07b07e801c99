from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from limner.service.app import create_app
from limner.service.service import Service

from ..fake_studio import FakeStudio
from ..running import running

STEPS = 4  # of the fake studio, where nobody says how many


@dataclass(frozen=True)
class Server:
    """The service over the fake studio, behind a port of this machine."""

    url: str
    studio: FakeStudio
    service: Service

    def client(self, retries: int = 0) -> openai.OpenAI:
        """The official client, which refuses answers that are not as its types say."""
        return openai.OpenAI(
            base_url=self.url, api_key="any", max_retries=retries, _strict_response_validation=True
        )

    def asynchronous(self) -> openai.AsyncOpenAI:
        """The same for asyncio."""
        return openai.AsyncOpenAI(
            base_url=self.url, api_key="any", max_retries=0, _strict_response_validation=True
        )

    def fill(self) -> None:
        """Fill the queue: one job is drawn and stays so, three wait."""
        self.studio.gate.clear()
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for k in range(4):
                answer = client.post("jobs", json={"prompt": "a red apple"}).json()
                while k == 0 and client.get(f"jobs/{answer['id']}").json()["state"] != "running":
                    pass

    def paced(self, ask: Callable[[], Iterable[Any]], *shown: int) -> list[Any]:
        """The events of a stream of one picture, which is drawn to each of the steps `shown`, and then to the end, once
        all that was drawn before has been heard."""
        self.studio.permits = permits = threading.Semaphore(0)
        found, drawn = [], 0
        events = iter(ask())
        for step in shown:
            permits.release(step - drawn)
            found.append(next(events))
            drawn = step
        permits.release(STEPS - drawn)
        return [*found, *events]


@contextmanager
def serving(folder: Path, answers_to: frozenset[str] = frozenset()) -> Iterator[Server]:
    """A service where three jobs may wait and one is drawn at a time."""
    studio = FakeStudio()
    app = create_app(folder, studio, queue_limit=3, parallel=1, drain_seconds=0.2, answers_to=answers_to)
    with running(app) as address:
        httpx.get(f"{address}/healthz", timeout=60)  # answered once the service has started
        yield Server(f"{address}/v1", studio, app.state.service)
        studio.gate.set()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A service of the test's own, to be slowed down, filled or broken."""
    with serving(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that the tests of a file share, and leave as it is."""
    with serving(tmp_path_factory.mktemp("steady")) as made:
        yield made


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with server.client() as made:
        yield made


@pytest.fixture
def asking(steady: Server) -> Iterator[openai.OpenAI]:
    with steady.client() as made:
        yield made
