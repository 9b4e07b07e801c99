"""`make bench-chaos`: `kill -9` of the service or its engine at random moments, under load; then each job is looked at.

A client keeps jobs in flight as a careful app does: it goes on while there is no service, and before it asks again for
what was never answered it looks whether the job is there. Whoever runs the service starts it again at once.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from .machine import describe
from .serving import LIMNER

WAIT = 300.0
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True)
class Plan:
    """How much is asked for and how often something is killed; `together` jobs at least are in flight at each kill."""

    jobs: int = 200
    kills: int = 30
    together: int = 8
    steps: int = 8
    longest: float = 5.0
    model: str = "storybook"
    seed: int = 0


@dataclass
class Outcome:
    """What came of it."""

    accepted: int = 0
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    server_errors: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing was lost, nothing drawn twice as two results, and everything is finished."""
        bad = self.lost + self.twice + self.wrong + self.server_errors
        return bad == 0 and self.states == Counter(succeeded=self.accepted)


class Kept:
    """A service that is started again whenever it has ended, on one port and one data directory."""

    def __init__(self, plan: Plan, data_dir: Path) -> None:
        """Start it and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._arguments = ["--model", plan.model, "--data-dir", str(data_dir), "--port", str(self._port)]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=WAIT)
        self.start()

    def start(self) -> None:
        """Start it; returns when it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", LIMNER, "serve", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"limner serve did not start: {line!r}")

    def wait(self) -> None:
        """Wait until it can draw."""
        with httpx.Client(base_url=self.http.base_url, timeout=WAIT) as http:
            while http.get("/readyz").status_code != 200:
                time.sleep(0.1)

    def engine(self) -> psutil.Process | None:
        """The engine's process, where there is one."""
        for child in psutil.Process(self._process.pid).children():
            try:
                if "limner.engine.apart.child" in child.cmdline():
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def kill_engine(self) -> bool:
        """End the engine as the kernel's out-of-memory killer does; False where there is none now."""
        engine = self.engine()
        if engine is None:
            return False
        try:
            engine.kill()
        except psutil.NoSuchProcess:
            return False
        return True

    def kill(self) -> None:
        """End the service as a power cut does, and start it again."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self.start()

    def close(self) -> None:
        """End it for good."""
        self.http.close()
        self._process.terminate()
        self._process.wait(WAIT)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Client:
    """Asks for pictures, one seed each, and knows what was accepted."""

    def __init__(self, plan: Plan, service: Kept, outcome: Outcome) -> None:
        self._plan, self._http, self._outcome = plan, service.http, outcome
        self.jobs: dict[int, str] = {}  # by seed
        self.open: set[int] = set()

    def top_up(self, count: int, most: int) -> None:
        """Ask until `count` jobs are open, or `most` were asked for."""
        self.look()
        while len(self.open) < count and len(self.jobs) < most:
            seed = len(self.jobs)
            body = {"prompt": f"a red apple, {seed}", "seed": seed, "steps": self._plan.steps}
            answer = self._call("POST", "/v1/jobs", json=body, headers={"Idempotency-Key": f"chaos-{seed}"})
            if answer is None:
                found = [job["id"] for job in self.all() if job["request"]["seed"] == seed]
                if not found:
                    continue
                self.jobs[seed] = found[0]
            elif answer.status_code == 429:
                time.sleep(0.5)
                continue
            else:
                self.jobs[seed] = answer.raise_for_status().json()["id"]
            self.open.add(seed)

    def look(self) -> None:
        """Note which of the open jobs have ended."""
        if self.open:
            ended = {job["request"]["seed"] for job in self.all() if job["state"] in FINAL}
            self.open -= ended

    def all(self) -> list[dict[str, Any]]:
        """Every job that the service knows."""
        found: list[dict[str, Any]] = []
        before: str | None = None
        while True:
            query: dict[str, str | int] = {"limit": 100} | ({} if before is None else {"before": before})
            answer = self._call("GET", "/v1/jobs", params=query)
            if answer is None:
                continue
            page = answer.raise_for_status().json()
            found += page["jobs"]
            before = page["next"]
            if before is None:
                return found

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """The answer; None where there was none. Every 5xx is counted."""
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError:
            time.sleep(0.05)
            return None
        if answer.status_code >= 500:
            self._outcome.server_errors += 1
        return answer

    def check(self) -> None:
        """Compare what was accepted with what there is."""
        told = self.all()
        by_seed = Counter(job["request"]["seed"] for job in told)
        outcome = self._outcome
        outcome.accepted = len(self.jobs)
        outcome.states = Counter(job["state"] for job in told)
        outcome.lost = len(set(self.jobs.values()) - {job["id"] for job in told})
        outcome.twice = sum(count - 1 for count in by_seed.values())
        outcome.attempts = sum(job["attempts"] for job in told)
        for job in told:
            images = job["images"]
            right = len(images) == 1 and images[0]["seed"] == job["request"]["seed"]
            if job["state"] == "succeeded" and not (right and self._is_png(images[0]["url"])):
                outcome.wrong += 1

    def _is_png(self, url: str) -> bool:
        answer = self._call("GET", url)
        return answer is not None and answer.content.startswith(b"\x89PNG")


class Killer(threading.Thread):
    """Kills the service or its engine, at random moments of its own."""

    def __init__(self, plan: Plan, service: Kept, outcome: Outcome) -> None:
        super().__init__(name="killer", daemon=True)
        self._plan, self._service, self._outcome = plan, service, outcome
        self.loaded = threading.Event()  # whether anything is in flight
        self.done = 0

    def run(self) -> None:
        """Kill as often as planned."""
        chance = random.Random(self._plan.seed)
        while self.done < self._plan.kills:
            self.loaded.wait()
            if chance.random() < 0.5:
                self._service.wait()  # half of the kills meet a service that draws, the others whatever there is
            time.sleep(chance.uniform(0, self._plan.longest))
            if chance.random() < 0.5 and self._service.kill_engine():
                self._outcome.killed["engine"] += 1
            else:
                self._service.kill()
                self._outcome.killed["service"] += 1
            self.done += 1


def run(plan: Plan, data_dir: Path) -> Outcome:
    """Carry out a plan; the jobs are spread over the kills, so that each meets some in flight."""
    outcome, began = Outcome(), time.monotonic()
    service = Kept(plan, data_dir)
    try:
        client, killer = Client(plan, service, outcome), Killer(plan, service, outcome)
        killer.start()
        deadline = began + 20 * WAIT
        while time.monotonic() < deadline:
            left = plan.jobs if killer.done >= plan.kills else plan.jobs * killer.done // plan.kills
            client.top_up(plan.together, most=min(plan.jobs, plan.together + left))
            if client.open:
                killer.loaded.set()
            elif len(client.jobs) == plan.jobs and not killer.is_alive():
                break
            time.sleep(0.2)
        killer.join(WAIT)
        client.check()
    finally:
        service.close()
    outcome.seconds = time.monotonic() - began
    return outcome


def table(plan: Plan, outcome: Outcome) -> str:
    """The outcome as a Markdown table."""
    killed = ", ".join(f"{what} {count}" for what, count in sorted(outcome.killed.items()))
    states = ", ".join(f"{state} {count}" for state, count in sorted(outcome.states.items()))
    rows = {
        "killed with SIGKILL": f"{sum(outcome.killed.values())} times ({killed})",
        f"jobs accepted ({plan.steps} steps each)": outcome.accepted,
        "how they ended": states,
        "lost": outcome.lost,
        "drawn twice as two results": outcome.twice,
        "succeeded without its one picture": outcome.wrong,
        "answers with 5xx": outcome.server_errors,
        "attempts, all jobs together": outcome.attempts,
        "seconds": f"{outcome.seconds:.0f}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows.items())])


def main() -> None:
    """Run it and print; exit 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="make bench-chaos", description=__doc__)
    for name in ("jobs", "kills", "together", "steps", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    parser.add_argument("--longest", type=float, default=Plan.longest, help="seconds between kills, at most")
    parser.add_argument("--model", default=Plan.model)
    plan = Plan(**vars(parser.parse_args()))
    print("\n".join(describe()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(plan, Path(folder))
    print(f"\n{table(plan, outcome)}")
    sys.exit(0 if outcome.good else 1)


if __name__ == "__main__":
    main()
