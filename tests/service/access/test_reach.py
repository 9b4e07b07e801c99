"""A service that is reached from other machines, behind proxies, by pages of other sites, over TLS."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from limner.errors import InvalidInput
from limner.service.access import KeyStore
from limner.service.app import create_app
from limner.service.database import open_database
from limner.service.reach import Reach
from limner.service.server import bind, server_config

from ..fake_studio import FakeStudio
from .conftest import BASE, with_key

SHOP = "https://shop.example"


def client_of(folder: Path, reach: Reach, base: str = BASE) -> TestClient:
    return TestClient(create_app(folder, FakeStudio(), drain_seconds=0.2, reach=reach), base_url=base)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path, Reach("0.0.0.0"), "http://draws.example") as made:
        yield made


@pytest.fixture
def secret(tmp_path: Path) -> str:
    engine = open_database(tmp_path / "limner.db")
    made = KeyStore(engine).create("app")[1]
    engine.dispose()
    return made


@contextmanager
def listening(folder: Path, reach: Reach, studio: FakeStudio | None = None) -> Iterator[int]:
    """The service on a real port, as `limner serve` configures it."""
    listener = bind(reach.host, 0)
    app = create_app(folder, studio or FakeStudio(), drain_seconds=0.2, reach=reach)
    server = uvicorn.Server(server_config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)


def test_it_is_closed_even_where_there_is_no_key(client: TestClient) -> None:
    assert client.get("/v1/jobs").status_code == 401
    assert client.get("/healthz").status_code == 200


def test_a_key_is_let_in_by_any_name(client: TestClient, secret: str) -> None:
    known = with_key(client, secret)
    for host in ("draws.example", "192.168.1.5:8400", "localhost"):
        assert known.get("/v1/jobs", headers={"host": host}).status_code == 200


def test_pages_of_other_sites_are_still_refused(client: TestClient, secret: str) -> None:
    origin = {"host": "draws.example", "origin": SHOP}
    assert with_key(client, secret).get("/v1/jobs", headers=origin).status_code == 403
    asked = {"origin": SHOP, "access-control-request-method": "POST"}
    refused = client.options("/v1/jobs", headers=asked)
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]


def test_a_named_site_may_use_a_key_but_no_cookie(tmp_path: Path, secret: str) -> None:
    with client_of(tmp_path, Reach(origins=(SHOP,))) as client:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        preflight = client.options("/v1/jobs", headers={"origin": SHOP, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == SHOP
        of_openai = {
            "access-control-request-headers": "authorization, x-stainless-os, x-stainless-retry-count"
        }
        preflight = client.options("/v1/images/generations", headers={"origin": SHOP, **asked, **of_openai})
        assert preflight.status_code == 200
        assert "access-control-allow-credentials" not in preflight.headers, "so browsers send no cookie"
        sent = {"origin": SHOP, "sec-fetch-site": "cross-site"}
        made = with_key(client, secret).post("/v1/jobs", json={"prompt": "a cat"}, headers=sent)
        assert made.status_code == 202 and made.headers["access-control-allow-origin"] == SHOP
        exposed = made.headers["access-control-expose-headers"].lower().split(", ")
        assert {"location", "x-should-retry"} <= set(exposed)
        assert client.post("/v1/session", json={"key": secret}).status_code == 201
        by_cookie = client.post("/v1/jobs", json={"prompt": "a cat"}, headers={"origin": SHOP})
        assert by_cookie.status_code == 403 and "own page" in by_cookie.json()["detail"]
        client.cookies.clear()
        unknown = client.get("/v1/jobs", headers=sent)
        assert unknown.status_code == 401 and unknown.headers["access-control-allow-origin"] == SHOP
        other = client.options("/v1/jobs", headers={"origin": "https://evil.example", **asked})
        assert other.status_code == 403 and "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("host", "proxy", "trusted"),
    [
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "192.0.2.1", False),
        ("::", "127.0.0.1", True),
        ("::", "127.0.0.0/24", True),
        ("::", "127.0.1.0/24", False),
    ],
)
def test_only_a_named_proxy_says_how_it_was_asked(
    tmp_path: Path, secret: str, host: str, proxy: str, trusted: bool
) -> None:
    reach = Reach(host, proxies=(proxy,))
    headers = {"host": "draws.example", "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
    with listening(tmp_path, reach) as port:
        signed = httpx.post(f"http://127.0.0.1:{port}/v1/session", json={"key": secret}, headers=headers)
        own = {**headers, "authorization": f"Bearer {secret}", "origin": "https://draws.example"}
        from_page = httpx.get(f"http://127.0.0.1:{port}/v1/jobs", headers=own)
    assert signed.status_code == 201
    assert ("secure" in signed.headers["set-cookie"].lower()) is trusted
    assert ("strict-transport-security" in signed.headers) is trusted
    assert from_page.status_code == (200 if trusted else 403)


def test_without_proxies_nobodys_forwarded_headers_are_believed(tmp_path: Path, secret: str) -> None:
    with listening(tmp_path, Reach()) as port:
        said = {"x-forwarded-proto": "https"}
        signed = httpx.post(f"http://127.0.0.1:{port}/v1/session", json={"key": secret}, headers=said)
    assert signed.status_code == 201 and "secure" not in signed.headers["set-cookie"].lower()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    made = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    where = ["-addext", "subjectAltName=DNS:localhost", "-out", str(made[0]), "-keyout", str(made[1])]
    subprocess.run([*command.split(), *where], check=True, capture_output=True)
    return made


def test_it_speaks_tls_with_its_certificate(
    tmp_path: Path, secret: str, certificate: tuple[Path, Path]
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with listening(
        tmp_path, Reach("0.0.0.0", certificate=certificate[0], private_key=certificate[1])
    ) as port:
        address = f"https://localhost:{port}"
        signed = httpx.post(f"{address}/v1/session", json={"key": secret}, verify=trusting)
        assert signed.status_code == 201 and "secure" in signed.headers["set-cookie"].lower()
        assert "max-age" in signed.headers["strict-transport-security"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://localhost:{port}/healthz")


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    Reach(certificate=certificate[0], private_key=certificate[1]).check_certificate()
    (tmp_path / "other.pem").write_text("no key", encoding="utf-8")
    for other in (tmp_path / "other.pem", tmp_path / "nowhere.pem", certificate[0]):
        with pytest.raises(InvalidInput, match=re.escape(str(other))):
            Reach(certificate=certificate[0], private_key=other).check_certificate()
    with pytest.raises(InvalidInput, match="--tls-key"):
        Reach(certificate=certificate[0])


@pytest.mark.parametrize(
    "origin", ["*", "null", "shop.example", "https://", "https://shop.example/", "https://*.x"]
)
def test_an_origin_is_one_site(origin: str) -> None:
    with pytest.raises(InvalidInput, match="name one site"):
        Reach(origins=(origin,))


@pytest.mark.parametrize("proxy", ["*", "proxy.example", "", "10.0.0.1/8"])
def test_a_proxy_is_an_address(proxy: str) -> None:
    with pytest.raises(InvalidInput, match="is no address"):
        Reach(proxies=(proxy,))


def test_behind_a_proxy_keys_are_needed_on_loopback_too() -> None:
    with pytest.raises(InvalidInput, match="limner keys create"):
        Reach(proxies=("127.0.0.1",)).require_keys(False)
    Reach(proxies=("127.0.0.1",)).require_keys(True)
    Reach().require_keys(False)
