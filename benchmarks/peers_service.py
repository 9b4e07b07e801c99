"""`python -m benchmarks.peers_service`: Limner's service against others' on the same weights, as their users meet them.

Two things. How many pictures a second eight users get, who each ask for the next one when they have one: against
FastAPI over a diffusers pipeline. And how long pictures take of users who come at random: against LitServe with dynamic
batching over the same graphs, the same arrivals for both, at a part of what Limner can draw. LitServe gets the best of
a few settings of its batches. Sizes, steps, sampler and seeds are the same, every step is guided; the pictures of one
request are compared. Limner is there once more as it draws by itself, as its manifest says: with deep features used
again, where `limner optimize` chose that. A picture is one POST of all of them, of Limner the one that OpenAI's clients
make. All servers run at the same time, and are asked in turns: who is not asked, is stopped meanwhile, for LitServe's
processes look for requests all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.util
import io
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx
import numpy as np
from PIL import Image

from limner.registry.models import Registry

from .arrivals import (
    PROMPTS,
    Answer,
    Asked,
    asked_for,
    in_turn,
    percentile,
    play,
    poisson,
    seconds_of,
    wrongs,
)
from .machine import busy, describe
from .serving import Served

T = TypeVar("T")

_START = 300.0  # seconds that a server gets
ITSELF = "limner, as its manifest says"
BATCHES = ((4, 0.01), (8, 0.01), (8, 0.1), (16, 0.05))
"""Of LitServe: at most so many requests a batch, seconds that it waits for them."""


class Asks(Protocol):
    """Users of a service."""

    async def ask(self, asked: Asked) -> bytes:
        """The PNG of a picture."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


@dataclass(frozen=True)
class Plan:
    """`users` in turn for `seconds`, `repeats` times, with `steps` steps; then `crowd` users at random for `minutes`
    at `load` of what Limner can draw, of one of `mixture` steps; `trying` are the seconds of each of LitServe's
    settings, `warming` those before anything counts."""

    model: str = "storybook"
    users: int = 8
    steps: int = 20
    seconds: float = 60.0
    repeats: int = 2
    crowd: int = 64
    minutes: float = 5.0
    load: float = 0.7
    mixture: tuple[int, ...] = (8, 20, 35, 50)
    trying: float = 60.0
    warming: float = 20.0
    seed: int = 7


@dataclass(frozen=True)
class Found:
    """dB against Limner's picture; pictures a second of the users in turn; of the crowd pictures a second that were
    asked for, LitServe's settings, and the seconds that pictures took."""

    alike: dict[str, float]
    rates: dict[str, float]
    asked: float
    batches: tuple[int, float] | None
    latencies: dict[str, list[float]]


class Peer:
    """A server of this folder in a process of its own, which works only while it is `awake`. A context manager: leaving
    it ends the server with all of its processes."""

    def __init__(self, settings: dict[str, Any], kind: str, model: Path, *how: object) -> None:
        """Start it and wait until it can draw; `settings` are of every request."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address, self._settings = f"http://127.0.0.1:{port}", settings
        command = [sys.executable, "-m", f"benchmarks.{kind}_server", str(model), str(port), *map(str, how)]
        self._process = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + _START
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                raise RuntimeError(f"the {kind} server did not start")
            time.sleep(0.2)
        self._signal(signal.SIGSTOP)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Lets it work."""
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        """To all of its processes: a session was made for them."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def users(self) -> Asks:
        """Users of it."""
        return _PlainUsers(self.address, self._settings)

    def _stop(self) -> None:
        self._signal(signal.SIGKILL)  # those of LitServe outlive whoever started them
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()


class _PlainUsers:
    """A picture is one POST, answered with the picture."""

    def __init__(self, address: str, settings: dict[str, Any] | None = None) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=256)
        self._http = httpx.AsyncClient(base_url=address, timeout=None, limits=limits)
        self._settings = settings or {}

    async def ask(self, asked: Asked) -> bytes:
        body = {"prompt": asked.prompt, "seed": asked.seed, "steps": asked.steps, **self._settings}
        picture = await self._post(body)
        if not picture.startswith(b"\x89PNG"):
            raise RuntimeError("what came is no PNG")
        return picture

    async def _post(self, body: dict[str, Any]) -> bytes:
        return (await self._http.post("/draw", json=body)).raise_for_status().content

    async def close(self) -> None:
        await self._http.aclose()


class _OpenAIUsers(_PlainUsers):
    """The same of Limner, as OpenAI's clients ask."""

    async def _post(self, body: dict[str, Any]) -> bytes:
        asked = body | {"response_format": "b64_json"}
        answer = (await self._http.post("/v1/images/generations", json=asked)).raise_for_status()
        return base64.b64decode(answer.json()["data"][0]["b64_json"])


def guided(model: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of a model whose steps are all guided, and the settings by which others draw as it does."""
    copy = folder / "model"
    shutil.copytree(model, copy)
    file = copy / "limner.json"
    manifest = json.loads(file.read_text("utf-8"))
    defaults = manifest["sampler"]
    defaults |= {"guidance_interval": [0.0, 1.0], "feature_reuse": 1}
    file.write_text(json.dumps(manifest), encoding="utf-8")
    return copy, {name: defaults[name] for name in ("guidance_scale", "sampler")}


async def rate(users: Asks, count: int, seconds: float, steps: Sequence[int], seed: int) -> float:
    """Steps a second of finished pictures that `count` users in turn get."""
    answers = await in_turn(count, seconds, asked_for(steps, seed), users.ask)
    _check(answers)
    return sum(each.asked.steps for each in answers if each.wrong is None) / seconds


async def crowd(users: Asks, arrivals: Sequence[Asked]) -> list[float]:
    """Seconds that pictures of users at random take, least first."""
    answers = await play(arrivals, users.ask)
    _check(answers)
    return seconds_of(answers)


def _check(answers: Sequence[Answer]) -> None:
    if wrong := wrongs(answers):
        print(f"went wrong: {dict(wrong)}", flush=True)


def psnr(one: bytes, other: bytes) -> float:
    """How alike two PNG files are, in dB."""
    a, b = (np.asarray(Image.open(io.BytesIO(png)), np.float64) for png in (one, other))
    error = float(np.mean((a - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


async def measure(
    plan: Plan, servers: dict[str, Served | Peer], model: Path, settings: dict[str, Any]
) -> Found:
    """All of it."""
    asks: dict[str, Asks] = {
        name: _OpenAIUsers(server.address) if isinstance(server, Served) else server.users()
        for name, server in servers.items()
    }

    async def at(name: str, asking: Callable[[Asks], Awaitable[T]]) -> T:
        server = servers[name]
        with server.awake() if isinstance(server, Peer) else nullcontext():
            return await asking(asks[name])

    try:
        same = Asked(0.0, plan.steps, PROMPTS[0], plan.seed)
        pictures = {name: await at(name, lambda users: users.ask(same)) for name in asks}
        alike = {name: psnr(png, pictures["limner"]) for name, png in pictures.items() if name != "limner"}
        print(
            "PSNR against Limner's picture:", {name: f"{db:.1f} dB" for name, db in alike.items()}, flush=True
        )

        numbers = iter(range(1, 1000))  # no picture is asked for twice

        def turn_of(seconds: float, steps: Sequence[int]) -> Callable[[Asks], Awaitable[float]]:
            return lambda users: rate(users, plan.users, seconds, steps, next(numbers))

        for name in asks:
            await at(name, turn_of(plan.warming, plan.mixture))
        found: dict[str, list[float]] = defaultdict(list)
        for turn in range(plan.repeats):
            for name in asks:
                found[name].append(await at(name, turn_of(plan.seconds, [plan.steps])) / plan.steps)
                print(f"turn {turn + 1}, {name}: {found[name][-1]:.3f} pictures/s", flush=True)
        rates = {name: median(each) for name, each in found.items()}

        steps = await rate(asks["limner"], 16, plan.seconds, plan.mixture, next(numbers))
        many = plan.load * steps / (sum(plan.mixture) / len(plan.mixture))

        def arrivals(seconds: float) -> list[Asked]:
            return poisson(many, seconds, plan.mixture, 1000 + next(numbers), plan.crowd)

        chosen, latencies = None, {}
        if "litserve" in servers:
            chosen = await _best(plan, arrivals(plan.trying), model, settings)
            warming, same_for_both = arrivals(plan.warming), arrivals(60 * plan.minutes)
            # What an engine compiled it lets go of while others are asked.
            for name in ("limner", ITSELF):
                await crowd(asks[name], warming)
                latencies[name] = await crowd(asks[name], same_for_both)
            with Peer(settings, "litserve", model, *chosen) as peer, peer.awake():
                users = peer.users()
                await crowd(users, warming)
                latencies["litserve"] = await crowd(users, same_for_both)
                await users.close()
        return Found(alike, rates, many, chosen, latencies)
    finally:
        for users in asks.values():
            await users.close()


async def _best(
    plan: Plan, arrivals: Sequence[Asked], model: Path, settings: dict[str, Any]
) -> tuple[int, float]:
    """The settings with which LitServe has the least p95."""
    seen: dict[tuple[int, float], float] = {}
    for each in BATCHES:
        with Peer(settings, "litserve", model, *each) as peer, peer.awake():
            users = peer.users()
            await rate(users, plan.users, plan.warming, plan.mixture, 900 + len(seen))
            seen[each] = percentile(await crowd(users, arrivals), 0.95)
            await users.close()
        print(f"LitServe, {each[0]} a batch, {each[1]} s: p95 {seen[each]:.2f} s", flush=True)
    return min(seen, key=lambda each: seen[each])


def table(plan: Plan, found: Found) -> str:
    """What was found, as Markdown."""
    lines = [
        f"| {plan.users} users in turn, {plan.steps} guided steps | pictures/s | Limner: times as many |",
        "|---|---|---|",
    ]
    for name, each in found.rates.items():
        lines.append(f"| {name} | {each:.3f} | {found.rates['limner'] / each:.2f} |")
    if found.batches is not None:
        lines += [
            "",
            f"| {plan.crowd} users at random, {found.asked:.2f} pictures/s, {plan.minutes:g} min | drawn | p50 | p95 |",
            "|---|---|---|---|",
        ]
        for name, seconds in found.latencies.items():
            p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
            lines.append(f"| {name} | {len(seconds)} | {p50:.2f} s | {p95:.2f} s |")
        p95s = {name: percentile(seconds, 0.95) for name, seconds in found.latencies.items()}
        most, waits = found.batches
        over = ", and ".join(
            f"{p95s[name] / p95s['litserve']:.2f} {how}"
            for name, how in (("limner", "over the same graphs"), (ITSELF, "as its manifest says"))
        )
        lines += ["", f"Limner's p95 is {over}, of LitServe's ({most} a batch, {waits} s)"]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers_service", description=__doc__)
    for name, default in asdict(Plan()).items():
        several = {"nargs": "+", "type": int} if isinstance(default, tuple) else {"type": type(default)}
        parser.add_argument(f"--{name}", default=default, **several)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = vars(parser.parse_args())
    out = asked.pop("json")
    plan = Plan(**asked | {"mixture": tuple(asked["mixture"])})
    about = describe()
    print("\n".join(about), flush=True)
    if busy():
        print("Other work is using the cores: the figures will be wrong", flush=True)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as running:
        folder = Path(temporary)
        model, settings = guided(Registry(folder).find(plan.model).path, folder)
        servers: dict[str, Served | Peer] = {
            "limner": running.enter_context(Served(str(model), folder / "data")),
            ITSELF: running.enter_context(Served(plan.model, folder / "data of its own")),
        }
        for way in ("locked", "threads"):
            servers[f"diffusers, {way}"] = running.enter_context(Peer(settings, "fastapi", model, way))
        if importlib.util.find_spec("litserve") is None:
            print("not installed: litserve (see benchmarks/litserve_server.py)", flush=True)
        else:
            servers["litserve"] = running.enter_context(Peer(settings, "litserve", model, *BATCHES[1]))
        found = asyncio.run(measure(plan, servers, model, settings))
    print(f"\n{table(plan, found)}")
    if out:
        out.write_text(
            json.dumps({"about": about, "plan": asdict(plan), "found": asdict(found)}, indent=1),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
