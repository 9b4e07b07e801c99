"""Two keys of one service, and an admin's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.service.access import KeyStore
from limner.service.database import open_database

BASE = "http://127.0.0.1:8000"
As = Callable[[str], TestClient]


@pytest.fixture
def keys(tmp_path: Path, client: TestClient) -> KeyStore:
    """The keys of the service behind `client`, through a connection of their own as the command line has."""
    return KeyStore(open_database(tmp_path / "limner.db"))


@pytest.fixture
def known(client: TestClient, keys: KeyStore) -> As:
    """A client that sends the secret of a key of that name, made where there is none; `admin` may do all."""
    made: dict[str, TestClient] = {}

    def get(name: str) -> TestClient:
        if name not in made:
            _, secret = keys.create(name, ["admin"] if name == "admin" else ["draw", "read"])
            made[name] = with_key(client, secret)
        return made[name]

    return get


def with_key(client: TestClient, secret: str) -> TestClient:
    """Another client of the same service, which sends `secret`."""
    return TestClient(client.app, base_url=BASE, headers={"authorization": f"Bearer {secret}"})


def drawn(client: TestClient, **fields: Any) -> dict[str, Any]:
    """A job that `client` asked for, once it has ended."""
    answer = client.post("/v1/jobs", json={"prompt": "a red apple", **fields})
    assert answer.status_code == 202, answer.text
    for _ in range(1000):
        found: dict[str, Any] = client.get(f"/v1/jobs/{answer.json()['id']}").json()
        if found["finished_at"]:
            return found
        time.sleep(0.01)
    raise AssertionError(f"job stayed {found['state']}")
