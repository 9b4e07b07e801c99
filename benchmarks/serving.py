"""The service as its users meet it: `limner serve` in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from limner.engine.request import DrawRequest

LIMNER = "from limner.cli import main; main()"
WAIT = 120.0


class Served:
    """A running service. A context manager: leaving it stops the service."""

    def __init__(self, model: str, data_dir: Path) -> None:
        """Start it on a free port and wait until it can draw."""
        command = [sys.executable, "-u", "-c", LIMNER, "serve", "--port", "0", "--model", model]
        self._process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "http://" not in line:
            self._process.kill()
            raise RuntimeError(f"limner serve did not start: {line!r}")
        address = "http://" + line.partition("http://")[2].split("/")[0]
        self._client = httpx.Client(base_url=address, timeout=WAIT)
        deadline = time.monotonic() + WAIT
        while self._client.get("/readyz").status_code != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"limner serve cannot draw: {self._client.get('/readyz').text}")
            time.sleep(0.1)

    def draw(self, request: DrawRequest) -> float:
        """Seconds from asking to having the PNG: job, events to the end, picture."""
        asked = request.model_dump(include={"prompt", "seed", "steps", "guidance_scale"})
        began = time.perf_counter()
        job = self._client.post("/v1/jobs", json=asked).raise_for_status().json()
        with self._client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
            for _ in events.iter_lines():
                pass
        done = self._client.get(f"/v1/jobs/{job['id']}").raise_for_status().json()
        if done["state"] != "succeeded":
            raise RuntimeError(f"the service did not draw: {done['error']}")
        self._client.get(done["images"][0]["url"]).raise_for_status()
        return time.perf_counter() - began

    def megabytes(self) -> float:
        """Memory that the service holds now, with all its processes."""
        root = psutil.Process(self._process.pid)
        return float(sum(p.memory_info().rss for p in [root, *root.children(recursive=True)]) / 2**20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
