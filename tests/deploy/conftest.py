"""A real Prometheus that reads a real service of the built-in model."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from limner.engine.request import DrawRequest, Event
from limner.engine.source import Source
from limner.engine.studio import Drawing, LocalStudio
from limner.registry.models import Registry
from limner.service.app import create_app
from limner.service.watching import Watching

from ..service.running import running

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="needs Prometheus: apt-get install prometheus"
)


class Clumsy(LocalStudio):
    """A studio of which every picture with seed 13 fails."""

    def start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> Drawing:
        """Begin a picture, if it is not number 13."""
        if request.seed == 13:
            raise RuntimeError("the paint ran out")
        return super().start(request, on_event, source, name, bulk)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The address of a service that draws with the built-in model."""
    watching = Watching()
    studio = Clumsy(Registry(tmp_path / "data"), threads=1, watcher=watching)
    app = create_app(tmp_path / "data", studio, watching=watching)
    with running(app) as address:
        yield address


def draw(http: httpx.Client, **asked: Any) -> str:
    """Ask for a picture and wait for its end, which is given."""
    job = http.post("/v1/jobs", json={"prompt": "a red apple", "steps": 2} | asked).json()["id"]
    http.get(f"/v1/jobs/{job}/events")
    state = http.get(f"/v1/jobs/{job}").json()["state"]
    assert state in {"succeeded", "failed"}
    return str(state)


class Prometheus:
    """The HTTP interface of a Prometheus that runs."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=10)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now, which must be a vector or a number."""
        answer = self.http.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        data = answer["data"]
        assert data["resultType"] in {"vector", "scalar"}, (expression, data)
        return list(data["result"])

    def until(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives as soon as that is something."""
        for _ in range(300):
            if found := self.query(expression):
                return found
            time.sleep(0.1)
        targets = self.http.get("/api/v1/targets").json()["data"]["activeTargets"]
        raise AssertionError(f"{expression} stayed empty; targets: {targets}")


def free_port() -> int:
    """A port that was free just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def prometheus(folder: Path, configuration: str) -> Iterator[Prometheus]:
    """Run one with a configuration, beside the files of deploy/prometheus."""
    assert PROMETHEUS is not None
    home = folder / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", home)
    (home / "prometheus.yml").write_text(configuration, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "tsdb", "web.listen-address": address}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [PROMETHEUS, *(f"--{name}={value}" for name, value in options.items())],
            cwd=home,
            stdout=log,
            stderr=log,
        )
        made = Prometheus(f"http://{address}")
        try:
            for _ in range(300):
                try:
                    if made.http.get("/-/ready").status_code == 200:
                        break
                except httpx.TransportError:
                    assert process.poll() is None, (home / "log").read_text("utf-8")
                time.sleep(0.1)
            yield made
        finally:
            made.http.close()
            process.terminate()
            process.wait(30)
