from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from limner.service.app import create_app
from tests.service.fake_studio import FakeStudio
from tests.service.running import running


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def url(tmp_path: Path, studio: FakeStudio) -> Iterator[str]:
    """A service over the fake studio: three jobs may wait, one is drawn at a time."""
    with running(create_app(tmp_path, studio, queue_limit=3, parallel=1, drain_seconds=0.2)) as address:
        yield address


class Cutting:
    """Stands before a service; of the next `cuts` answers, which the service has begun to give, it hands on nothing."""

    def __init__(self, behind: str) -> None:
        self.cuts = 0
        self._behind = urlsplit(behind)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                asking, _ = self._listener.accept()
                assert self._behind.hostname and self._behind.port
                answering = socket.create_connection((self._behind.hostname, self._behind.port))
                for hand in (self._ask, self._answer):
                    threading.Thread(target=hand, args=(asking, answering), daemon=True).start()

    def _ask(self, asking: socket.socket, answering: socket.socket) -> None:
        with suppress(OSError):
            while part := asking.recv(65536):
                answering.sendall(part)

    def _answer(self, asking: socket.socket, answering: socket.socket) -> None:
        with suppress(OSError):
            while part := answering.recv(65536):
                if self.cuts > 0:
                    self.cuts -= 1
                    break
                asking.sendall(part)
        for one in (asking, answering):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def cutting(url: str) -> Iterator[Cutting]:
    """A way to the service that loses answers."""
    made = Cutting(url)
    yield made
    made.close()
