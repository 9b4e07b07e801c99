from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.service.app import create_app
from limner.service.database import DATABASE_NAME, open_database

from .fake_studio import FakeStudio
from .storage.servers import ObjectStore, Postgres

Await = Callable[..., dict[str, Any]]


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a service makes at its first start, for tests that begin after it."""
    file = tmp_path_factory.mktemp("database") / DATABASE_NAME
    open_database(file).dispose()
    return file


@pytest.fixture
def client(tmp_path: Path, studio: FakeStudio, new_database: Path) -> Iterator[TestClient]:
    shutil.copy(new_database, tmp_path)
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the whole session; its own account must reach its folder, as pytest's it may not."""
    with tempfile.TemporaryDirectory(prefix="limner-postgres-") as folder:
        made = Postgres(Path(folder))
        yield made
        made.stop()


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectStore]:
    """An object store for the whole session."""
    made = ObjectStore()
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database, of each kind once."""
    if request.param == "sqlite":
        return tmp_path / "limner.db"
    running: Postgres = request.getfixturevalue("postgres")
    return running.database()
