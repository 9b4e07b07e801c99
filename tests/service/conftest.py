from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.service.app import create_app

from .fake_studio import FakeStudio

Await = Callable[..., dict[str, Any]]


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def client(tmp_path: Path, studio: FakeStudio) -> Iterator[TestClient]:
    app = create_app(tmp_path, studio, queue_limit=3, parallel=1, drain_seconds=0.2)
    with TestClient(app, base_url="http://127.0.0.1:8000") as made:
        yield made


@pytest.fixture
def until(client: TestClient) -> Await:
    def wait(job: str, *states: str) -> dict[str, Any]:
        for _ in range(1000):
            found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
            if found["state"] in states:
                return found
            time.sleep(0.01)
        raise AssertionError(f"job stayed {found['state']}")

    return wait
