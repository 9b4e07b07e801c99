"""deploy/nginx/limner.conf in a real nginx before a real service; only addresses and files are others here."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from limner.service import images
from limner.service.access import KeyStore
from limner.service.database import open_database
from limner.service.reach import Reach

from ..service.access.test_reach import certificate, listening
from ..service.fake_studio import FakeStudio
from ..service.storage.servers import free_port

__all__ = ["certificate"]
CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "limner.conf"
SITES = "https://shop.example", "https://blog.example"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")


@dataclass(frozen=True)
class Front:
    """nginx at `address`, at `plain` without TLS; `client` makes one that sends a key."""

    address: str
    plain: str
    keys: KeyStore
    secrets: Mapping[str, str]
    trusting: ssl.SSLContext

    def client(self, key: str | None = None) -> httpx.Client:
        """A client of its own, that sends the key of that name."""
        headers = {} if key is None else {"authorization": f"Bearer {self.secrets[key]}"}
        return httpx.Client(
            base_url=self.address, headers=headers, verify=self.trusting, timeout=30, trust_env=False
        )


@contextmanager
def nginx(folder: Path, changes: Mapping[str, str]) -> Iterator[None]:
    """nginx with the configuration, in which each key of `changes` is there and becomes its value."""
    text = CONFIGURATION.read_text("utf-8")
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    folder.mkdir()
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"pid {folder}/pid; events {{}} http {{ access_log off; {temporary}\n{text}\n}}"
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    command = [str(NGINX), "-p", str(folder), "-e", str(folder / "errors"), "-c", str(folder / "nginx.conf")]
    running = subprocess.Popen([*command, "-g", "daemon off; master_process off;"], stderr=subprocess.PIPE)
    try:
        until(lambda: running.poll() is not None or (folder / "pid").exists())
        assert running.poll() is None, running.stderr and running.stderr.read().decode()
        yield
    finally:
        running.terminate()
        running.communicate(timeout=30)


def until(happened: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def front(tmp_path: Path, certificate: tuple[Path, Path], studio: FakeStudio) -> Iterator[Front]:
    keys = KeyStore(open_database(tmp_path / "limner.db"))
    secrets = {name: keys.create(name, rate=100_000)[1] for name in ("one", "other")}
    secure, plain = free_port(), free_port()
    with listening(tmp_path, Reach(origins=SITES, proxies=("127.0.0.1",)), studio) as port:
        changes = {
            "server 127.0.0.1:8400;": f"server 127.0.0.1:{port};",
            "/var/cache/nginx-limner": str(tmp_path / "cache"),
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{secure} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "server_name draw.example.org;": "server_name localhost;",
            "/etc/ssl/limner/fullchain.pem": str(certificate[0]),
            "/etc/ssl/limner/privkey.pem": str(certificate[1]),
            "limit_conn limner_addresses 64;": "limit_conn limner_addresses 2;",
        }
        with nginx(tmp_path / "nginx", changes):
            trusting = ssl.create_default_context(cafile=str(certificate[0]))
            here = f"https://localhost:{secure}", f"http://127.0.0.1:{plain}"
            yield Front(*here, keys, secrets, trusting)
    keys.engine.dispose()


def test_debian_has_the_folder_that_the_cache_lies_in() -> None:
    """nginx makes the last folder of the path alone."""
    folder = next(
        line.split()[1]
        for line in CONFIGURATION.read_text("utf-8").splitlines()
        if "proxy_cache_path" in line
    )
    assert Path(folder).parent == Path("/var/cache")


def drawn(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    job = client.post("/v1/jobs", json={"prompt": "a red apple", **fields}).raise_for_status().json()["id"]
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(client.get(f"/v1/jobs/{job}").json())
        return found["finished_at"] is not None

    until(ended)
    return found


@pytest.mark.parametrize("suffix", ["", "/copy?size=32x32&format=webp"])
def test_a_picture_lies_in_front_and_only_who_may_have_it_gets_it(
    front: Front, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    read: list[str] = []
    pieces = images.ImageStore.pieces

    def noting(self: images.ImageStore, image: str) -> Any:
        read.append(image)
        return pieces(self, image)

    monkeypatch.setattr(images.ImageStore, "pieces", noting)
    with front.client("one") as one, front.client("other") as other, front.client() as nobody:
        job = drawn(one, seed=7)
        url = job["images"][0]["url"] + suffix
        assert other.get(url).status_code == 404 and nobody.get(url).status_code == 401
        first, second = one.get(url), one.get(url)
        assert [answer.headers["x-cache-status"] for answer in (first, second)] == ["MISS", "REVALIDATED"]
        assert first.content == second.content and len(read) == 1, "the second time nginx had the bytes"
        assert first.headers["etag"] == second.headers["etag"]
        assert second.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert "x-accel-expires" not in second.headers
        seen = one.get(url, headers={"if-none-match": first.headers["etag"]})
        assert seen.status_code == 304 and not seen.content

        assert other.get(url).status_code == 404 and nobody.get(url).status_code == 401
        assert other.get(url, headers={"if-none-match": first.headers["etag"]}).status_code == 404
        drawn(other, seed=7)
        assert other.get(url).content == first.content and len(read) == 1
        one.delete(f"/v1/jobs/{job['id']}?forget=true")
        assert one.get(url).status_code == 404, "what is forgotten is gone here, too"
        assert other.get(url).status_code == 200
        front.keys.revoke("other")
        assert other.get(url).status_code == 401, "a revoked key is let in no more"


def test_of_a_kept_picture_no_header_is_anothers(front: Front) -> None:
    with front.client("one") as one:
        url = drawn(one)["images"][0]["url"]
        for kept in ("MISS", "REVALIDATED"):
            for site in (None, *SITES):
                answer = one.get(url, headers={} if site is None else {"origin": site})
                assert answer.headers["x-cache-status"] == kept
                assert answer.headers.get("access-control-allow-origin") == site
                assert "x-request-id" not in answer.headers
                assert not [name for name in answer.headers if name.startswith("ratelimit")]
        elsewhere = one.get("/v1/jobs").headers
        assert {"x-request-id", "ratelimit", "ratelimit-remaining"} <= set(elsewhere)


def test_events_come_as_they_happen(front: Front, studio: FakeStudio) -> None:
    studio.gate.clear()
    with front.client("one") as one:
        job = one.post("/v1/jobs", json={"prompt": "a cat"}).json()["id"]
        with one.stream("GET", f"/v1/jobs/{job}/events") as stream:
            lines = stream.iter_lines()
            first = next(line for line in lines if line.startswith("event: "))
            assert first == "event: queued", "told while nothing moves"
            studio.gate.set()
            told = [line for line in lines if line.startswith("event: ")]
    assert told[-2:] == ["event: image", "event: succeeded"]


def test_the_service_knows_that_it_was_asked_over_tls_and_by_that_name(front: Front) -> None:
    with front.client() as nobody:
        spoofed = {"x-forwarded-proto": "http", "x-forwarded-for": "198.51.100.7", "origin": front.address}
        signed = nobody.post("/v1/session", json={"key": front.secrets["one"]}, headers=spoofed)
        assert signed.status_code == 201 and "secure" in signed.headers["set-cookie"].lower()
        assert "strict-transport-security" in signed.headers
        assert nobody.get("/v1/jobs").status_code == 200, "with the cookie"
    moved = httpx.get(f"{front.plain}/v1/jobs?limit=3", headers={"host": "localhost"}, trust_env=False)
    assert moved.status_code == 301 and moved.headers["location"] == "https://localhost/v1/jobs?limit=3"


def test_uploads_are_bounded(front: Front) -> None:
    png = {"content-type": "image/png"}
    with front.client("one") as one:
        by_service = one.post("/v1/images", content=bytes(21 * 2**20), headers=png)
        by_nginx = one.post("/v1/images", content=bytes(27 * 2**20), headers=png)
    for refused in (by_service, by_nginx):
        assert refused.status_code == 413 and refused.json()["status"] == 413
        assert refused.headers["content-type"] == "application/problem+json"


def test_one_address_has_so_many_requests_at_a_time(front: Front, studio: FakeStudio) -> None:
    studio.gate.clear()
    with front.client("one") as one:
        job = one.post("/v1/jobs", json={"prompt": "a cat"}).json()["id"]
        with one.stream("GET", f"/v1/jobs/{job}/events") as first, one.stream("GET", first.url) as second:
            assert first.status_code == second.status_code == 200
            refused = one.get("/v1/jobs")
            assert refused.status_code == 429 and refused.json()["title"] == "Too Many Requests"
            assert refused.headers["retry-after"] == "2"
            studio.gate.set()


def test_a_service_that_is_away_is_said_to_be(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    secure = free_port()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        changes = {
            "server 127.0.0.1:8400;": f"server 127.0.0.1:{nobody.getsockname()[1]};",
            "/var/cache/nginx-limner": str(tmp_path / "cache"),
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{secure} ssl;",
            "listen [::]:443 ssl http2;": "",
            "/etc/ssl/limner/fullchain.pem": str(certificate[0]),
            "/etc/ssl/limner/privkey.pem": str(certificate[1]),
        }
        threading.Thread(target=lambda: nobody.accept()[0].close(), daemon=True).start()
        with nginx(tmp_path / "nginx", changes):
            trusting = ssl.create_default_context(cafile=str(certificate[0]))
            answer = httpx.get(f"https://localhost:{secure}/healthz", verify=trusting, trust_env=False)
    assert answer.status_code == 503 and answer.json()["status"] == 503
    assert answer.headers["retry-after"] == "5"
