"""A service that is reached from other machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.service.access import KeyStore
from limner.service.app import create_app
from limner.service.database import open_database
from limner.service.host import Reach

from ..fake_studio import FakeStudio
from .conftest import with_key


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(tmp_path, FakeStudio(), drain_seconds=0.2, reach=Reach(beyond=True))
    with TestClient(app, base_url="http://draws.example") as made:
        yield made


def test_it_is_closed_even_where_there_is_no_key(client: TestClient) -> None:
    assert client.get("/v1/jobs").status_code == 401
    assert client.get("/healthz").status_code == 200


def test_a_key_is_let_in_by_any_name(client: TestClient, tmp_path: Path) -> None:
    _, secret = KeyStore(open_database(tmp_path / "limner.db")).create("app")
    known = with_key(client, secret)
    for host in ("draws.example", "192.168.1.5:8400", "localhost"):
        assert known.get("/v1/jobs", headers={"host": host}).status_code == 200


def test_pages_of_other_sites_are_still_refused(client: TestClient, tmp_path: Path) -> None:
    _, secret = KeyStore(open_database(tmp_path / "limner.db")).create("app")
    origin = {"host": "draws.example", "origin": "https://evil.example"}
    assert with_key(client, secret).get("/v1/jobs", headers=origin).status_code == 403
