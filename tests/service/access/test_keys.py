"""Keys in the database, and what a service makes of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.errors import InvalidInput, NotFound
from limner.service.access import KeyStore

from .conftest import As, with_key


def test_only_a_digest_is_kept(tmp_path: Path, keys: KeyStore) -> None:
    key, secret = keys.create("app")
    assert secret.startswith(key.prefix)
    with sqlite3.connect(tmp_path / "limner.db") as connection:
        kept = "\n".join(connection.iterdump())
    assert key.id in kept and secret not in kept and secret.removeprefix(key.prefix) not in kept
    for file in tmp_path.glob("limner.db*"):
        assert secret.removeprefix(key.prefix).encode() not in file.read_bytes()


def test_without_keys_everything_is_open(client: TestClient) -> None:
    assert client.get("/v1/jobs").status_code == 200
    foreign = {"authorization": "Bearer whatever"}
    assert client.get("/v1/jobs", headers=foreign).status_code == 200, "clients that must send some key may"


def test_the_first_key_closes_a_running_service_and_revoking_it_does_not_open_it(
    client: TestClient, keys: KeyStore
) -> None:
    _, secret = keys.create("app")
    assert client.get("/v1/jobs").status_code == 401
    assert with_key(client, secret).get("/v1/jobs").status_code == 200
    keys.revoke("app")
    assert with_key(client, secret).get("/v1/jobs").status_code == 401
    assert client.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", "Bearer limner_", "Bearer limner_%s", "Basic %s", "%s", "Bearer %s x", "Bearer \u00e9",
     "Bearer " + "a" * 5000],
)  # fmt: skip
def test_what_is_not_a_key_is_refused(client: TestClient, keys: KeyStore, sent: str) -> None:
    key, secret = keys.create("app")
    header = (sent.replace("%s", key.id if "limner_%s" in sent else secret)).encode()
    answer = client.get("/v1/jobs", headers={b"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert secret not in answer.text


def test_two_authorizations_are_none(client: TestClient, keys: KeyStore) -> None:
    _, secret = keys.create("app")
    both = [("authorization", f"Bearer {secret}"), ("authorization", f"Bearer {secret}")]
    assert client.get("/v1/jobs", headers=both).status_code == 401


def test_a_secret_of_another_key_with_this_ones_id_is_refused(keys: KeyStore) -> None:
    one, first = keys.create("one")
    other, second = keys.create("other")
    assert keys.recognise(first.replace(one.id, other.id)) is None
    assert keys.recognise(second[:-1]) is None
    assert keys.recognise(first) == one


def test_rotating_lets_the_new_secret_in_and_the_old_one_out(client: TestClient, keys: KeyStore) -> None:
    key, old = keys.create("app")
    same, new = keys.rotate("app")
    assert same == key
    assert with_key(client, old).get("/v1/jobs").status_code == 401
    assert with_key(client, new).get("/v1/jobs").status_code == 200
    keys.revoke(key.prefix)
    with pytest.raises(InvalidInput, match="revoked"):
        keys.rotate(key.prefix)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ("read", "GET", "/v1/jobs", 200),
        ("read", "POST", "/v1/jobs", 403),
        ("read", "DELETE", "/v1/jobs/none", 403),
        ("draw", "GET", "/v1/jobs", 403),
        ("draw", "POST", "/v1/jobs", 202),
        ("draw", "DELETE", "/v1/jobs/none", 404),
        ("admin", "GET", "/v1/jobs", 200),
        ("admin", "POST", "/v1/jobs", 202),
        ("draw,read", "GET", "/v1/admin/keys", 403),
        ("draw,read", "GET", "/metrics", 403),
    ],
)
def test_scopes(client: TestClient, keys: KeyStore, scopes: str, method: str, path: str, status: int) -> None:
    _, secret = keys.create("app", scopes.split(","))
    body = {"prompt": "a red apple"} if method == "POST" else None
    answer = with_key(client, secret).request(method, path, json=body)
    assert answer.status_code == status
    if status == 403:
        assert "needs the scope" in answer.json()["detail"]


def test_what_is_no_secret_needs_no_key(client: TestClient, known: As) -> None:
    known("app")
    for path in ("/", "/pages/main.js", "/healthz", "/readyz", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    for path in ("/v1/models", "/v1/ideas", "/nowhere", "/pages/../v1/jobs", "//v1/jobs", "/v1/jobs/"):
        assert client.get(path, follow_redirects=False).status_code in {401, 404}, path


def test_names_are_free_again_once_revoked(keys: KeyStore) -> None:
    first, _ = keys.create("app")
    with pytest.raises(InvalidInput, match="rotate"):
        keys.create("app")
    keys.revoke("app")
    second, _ = keys.create("app")
    assert second.owner != first.owner, "the name does not inherit what the other made"
    keys.revoke("app")
    assert [key.revoked_at is None for key in keys.all()] == [False, False]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "1 to 60 letters"),
        ({"name": "a" * 61}, "1 to 60 letters"),
        ({"name": "a\nb"}, "1 to 60 letters"),
        ({"name": "app\n"}, "1 to 60 letters"),
        ({"scopes": []}, "draw, read, admin"),
        ({"scopes": ["write"]}, "draw, read, admin"),
        ({"quota": 0}, "compute units"),
        ({"rate": float("nan")}, "requests a minute"),
        ({"rate": 0}, "requests a minute"),
    ],
)
def test_a_key_that_cannot_be(keys: KeyStore, fields: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        keys.create(**{"name": "app", **fields})  # type: ignore[arg-type]


def test_a_key_that_is_not_there(keys: KeyStore) -> None:
    keys.create("app")
    for act in (keys.revoke, keys.rotate, lambda name: keys.create("other", owner_of=name)):
        with pytest.raises(NotFound, match="known: app"):
            act("ap")
