from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.service.app import create_app
from limner.service.gates import Gates

from ..fake_studio import FakeStudio

Guarded = Callable[[Gates], TestClient]


@pytest.fixture
def guarded(tmp_path: Path, studio: FakeStudio) -> Iterator[Guarded]:
    """A service behind gates, over the fake studio."""
    with ExitStack() as stack:

        def serve(gates: Gates) -> TestClient:
            app = create_app(tmp_path, studio, parallel=1, drain_seconds=0.2, gates=gates)
            return stack.enter_context(TestClient(app, base_url="http://127.0.0.1:8000"))

        yield serve
