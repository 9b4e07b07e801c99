"""Browsers that signed in with a key."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.service.access import KeyStore

from .conftest import BASE, drawn

ORIGIN = {"origin": BASE}


@pytest.fixture
def secret(keys: KeyStore) -> str:
    return keys.create("app")[1]


@pytest.fixture
def browser(client: TestClient, secret: str) -> TestClient:
    """One that is signed in; like every browser, it says from which page it comes."""
    made = TestClient(client.app, base_url=BASE, headers=ORIGIN)
    assert made.post("/v1/session", json={"key": secret}).status_code == 201
    return made


def test_the_cookie_goes_with_this_sites_own_requests_and_nowhere_else(
    client: TestClient, secret: str
) -> None:
    answer = client.post("/v1/session", json={"key": secret})
    assert answer.json() == {"name": "app", "scopes": ["draw", "read"], "open": False}
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said and "samesite=strict" in said and "path=/" in said and "domain" not in said
    assert "secure" not in said
    assert answer.headers["cache-control"] == "no-store"


def test_under_tls_the_cookie_is_for_tls_alone(client: TestClient, secret: str) -> None:
    safe = TestClient(client.app, base_url="https://127.0.0.1:8000")
    assert "secure" in safe.post("/v1/session", json={"key": secret}).headers["set-cookie"].lower()


def test_a_browser_draws_follows_and_sees(browser: TestClient) -> None:
    done = drawn(browser)
    assert browser.get(done["images"][0]["url"]).status_code == 200
    assert "event: succeeded" in browser.get(f"/v1/jobs/{done['id']}/events").text
    assert browser.get("/v1/session").json()["name"] == "app"


def test_signing_out_ends_it_for_whoever_kept_the_cookie(client: TestClient, browser: TestClient) -> None:
    kept = dict(browser.cookies)
    answer = browser.delete("/v1/session")
    assert answer.status_code == 204 and answer.headers["clear-site-data"] == '"cache"'
    assert dict(browser.cookies) == {}
    again = TestClient(client.app, base_url=BASE, cookies=kept)
    refused = again.get("/v1/jobs")
    assert refused.status_code == 401 and "clear-site-data" not in refused.headers
    once_more = again.delete("/v1/session")
    assert once_more.status_code == 401 and once_more.headers["clear-site-data"] == '"cache"'


def test_services_on_two_ports_of_a_host_do_not_sign_each_other_out(
    client: TestClient, browser: TestClient, secret: str
) -> None:
    other = TestClient(client.app, base_url=BASE.replace("8000", "8500"), cookies=browser.cookies)
    assert other.get("/v1/jobs").status_code == 401
    assert other.post("/v1/session", json={"key": secret}).status_code == 201
    back = TestClient(client.app, base_url=BASE, cookies=other.cookies)
    assert back.get("/v1/session").json()["name"] == "app"
    assert other.delete("/v1/session", headers={"origin": "http://127.0.0.1:8500"}).status_code == 204
    assert list(other.cookies) == ["limner_session_8000"]
    assert back.get("/v1/jobs").status_code == 200


def test_without_a_port_as_behind_a_proxy_the_cookie_names_none(client: TestClient, secret: str) -> None:
    plain = TestClient(client.app, base_url="http://localhost", headers={"origin": "http://localhost"})
    assert plain.post("/v1/session", json={"key": secret}).status_code == 201
    assert list(plain.cookies) == ["limner_session"] and plain.get("/v1/jobs").status_code == 200


@pytest.mark.parametrize("act", ["revoke", "rotate"])
def test_a_session_ends_with_its_keys_secret(browser: TestClient, keys: KeyStore, act: str) -> None:
    getattr(keys, act)("app")
    assert browser.get("/v1/jobs").status_code == 401


def test_a_session_ends_by_itself(browser: TestClient, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "limner.db") as connection:
        connection.execute("UPDATE sessions SET expires_at = 0")
    assert browser.get("/v1/jobs").status_code == 401


def test_the_cookie_is_not_in_the_database(browser: TestClient, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "limner.db") as connection:
        assert browser.cookies["limner_session_8000"] not in "\n".join(connection.iterdump())


def test_a_wrong_key_is_let_in_by_no_cookie(client: TestClient, secret: str) -> None:
    for wrong in ("limner_", secret[:-1], "x" * 200):
        answer = client.post("/v1/session", json={"key": wrong})
        assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert client.get("/v1/jobs", headers={"cookie": "limner_session_8000=made-up"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {},
    ],
)
def test_another_sites_page_does_nothing_with_the_cookie(
    client: TestClient, browser: TestClient, headers: dict[str, str]
) -> None:
    forged = TestClient(client.app, base_url=BASE, cookies=dict(browser.cookies), headers=headers)
    job = drawn(browser)["id"]
    assert forged.post("/v1/jobs", json={"prompt": "a cat"}).status_code == 403
    assert forged.delete(f"/v1/jobs/{job}?forget=true").status_code == 403
    assert forged.delete("/v1/session").status_code == 403
    assert [found["id"] for found in browser.get("/v1/jobs").json()["jobs"]] == [job]


def test_a_key_that_is_sent_counts_before_the_cookie(browser: TestClient, keys: KeyStore) -> None:
    _, other = keys.create("other")
    drawn(browser)
    assert browser.get("/v1/jobs", headers={"authorization": f"Bearer {other}"}).json()["jobs"] == []
    assert browser.get("/v1/jobs", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_an_open_service_asks_for_nothing(client: TestClient) -> None:
    assert client.get("/v1/session").json()["open"] is True
    assert client.post("/v1/session", json={"key": "x"}).status_code == 422
    assert client.delete("/v1/session").status_code == 204
