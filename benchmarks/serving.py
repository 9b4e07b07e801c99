"""The service as its users meet it: `limner serve` in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from limner.engine.request import DrawRequest

from .arrivals import Asked, Refused

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
        self.address = "http://" + line.partition("http://")[2].split("/")[0]
        self._client = httpx.Client(base_url=self.address, timeout=WAIT)
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
        told = ""
        with self._client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
            for line in events.iter_lines():
                told = line if line.startswith("data: ") else told
        done = json.loads(told.removeprefix("data: "))  # the last event is the job as it ended
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
        if self._process.stdout is not None:
            self._process.stdout.close()


class Users:
    """Many users of a service at once, from one process: job, events to the end, picture."""

    def __init__(self, address: str, patience: float = WAIT) -> None:
        """`patience` is in seconds between two signs of life."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=256)
        self._http = httpx.AsyncClient(base_url=address, timeout=patience, limits=limits)

    async def ask(self, asked: Asked) -> bytes:
        """The PNG of a picture, seen to its end; Refused where the queue is full, RuntimeError where it fails."""
        body = {"prompt": asked.prompt, "seed": asked.seed, "steps": asked.steps}
        answer = await self._http.post("/v1/jobs", json=body)
        if answer.status_code == 429:
            raise Refused
        job = answer.raise_for_status().json()["id"]
        told = ""
        async with self._http.stream("GET", f"/v1/jobs/{job}/events") as events:
            events.raise_for_status()
            async for line in events.aiter_lines():
                told = line if line.startswith("data: ") else told
        done = json.loads(told.removeprefix("data: "))
        if done.get("state") != "succeeded":
            raise RuntimeError(f"the job is {done.get('state', 'not done')}: {done.get('error')}")
        picture = (await self._http.get(done["images"][0]["url"])).raise_for_status().content
        if not picture.startswith(b"\x89PNG"):
            raise RuntimeError("what came is no PNG")
        return picture

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()
