"""`make bench-load`: many users on one service, for minutes: is every picture drawn, and does memory stay where it is.

Users come at random (Poisson) and ask for pictures of few and of many steps, together a part of what the service can
draw, which is measured first. Then the same arrivals once more without those of the most steps, which tells how long
pictures of few steps wait for others. All users are one asyncio process; they follow their jobs and fetch the pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from .arrivals import REFUSED, Answer, Ask, asked_for, in_turn, percentile, play, poisson, seconds_of, wrongs
from .machine import busy, describe
from .serving import Served, Users

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SAMPLE = 5.0  # seconds between two looks at the memory
_TOGETHER = 16  # users in turn that keep the service fully busy


@dataclass(frozen=True)
class Plan:
    """Whom to serve: `users` who ask for pictures of one of `steps` for `seconds`, at `load` of what can be drawn: that
    is `capacity` pictures a second, or where it is 0 measured for `measuring` seconds after `warming` as many."""

    users: int = 64
    seconds: float = 600.0
    load: float = 0.7
    steps: tuple[int, ...] = (8, 20, 35, 50)
    capacity: float = 0.0
    warming: float = 60.0
    measuring: float = 60.0
    model: str = "storybook"
    seed: int = 1

    @property
    def minutes(self) -> float:
        """How long it all takes, about."""
        return (2 * self.seconds + (0 if self.capacity else self.warming + self.measuring)) / 60


@dataclass(frozen=True)
class Crowd:
    """What came of one time: pictures drawn and refused, what else went wrong, seconds of the least steps, and
    megabytes of all processes in its first and last tenth."""

    asked: int
    drawn: int
    refused: int
    errors: dict[str, int]
    p50: float
    p95: float
    latest: float
    memory_before: float
    memory_after: float

    @property
    def grown(self) -> float:
        """By what share the memory has grown."""
        return self.memory_after / self.memory_before - 1


@dataclass(frozen=True)
class Outcome:
    """Pictures a second that can be drawn, the time with all pictures, and that without those of the most steps."""

    capacity: float
    mixed: Crowd
    without_longest: Crowd

    @property
    def waiting(self) -> float:
        """How many times as long pictures of the least steps take (p95) with the others beside them."""
        return self.mixed.p95 / self.without_longest.p95


async def measure_capacity(plan: Plan, ask: Ask) -> float:
    """Pictures a second that are drawn of the mixture of steps while the service has always more to do.

    Counted in steps, so that which pictures were just finished matters little. RuntimeError where one goes wrong.
    """
    pictures = asked_for(plan.steps, plan.seed + 1)
    for seconds in (plan.warming, plan.measuring):
        answers = await in_turn(_TOGETHER, seconds, pictures, ask)
    if wrong := wrongs(answers):
        raise RuntimeError(f"the capacity cannot be measured: {dict(wrong)}")
    steps = sum(answer.asked.steps for answer in answers)
    if not steps:
        raise RuntimeError("no picture was finished while the capacity was measured: measure for longer")
    return steps / plan.measuring / (sum(plan.steps) / len(plan.steps))


@asynccontextmanager
async def memory_of(served: Served) -> AsyncIterator[list[float]]:
    """Megabytes of the service with its engine, looked at again and again."""
    seen = [served.megabytes()]

    async def look() -> None:
        while True:
            await asyncio.sleep(_SAMPLE)
            seen.append(served.megabytes())

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        seen.append(served.megabytes())


def crowd(plan: Plan, answers: list[Answer], memory: list[float]) -> Crowd:
    """What came of one time."""
    wrong = wrongs(answers)
    least = seconds_of(answers, min(plan.steps))
    tenth = max(1, len(memory) // 10)
    return Crowd(
        asked=len(answers),
        drawn=len(seconds_of(answers)),
        refused=wrong.pop(REFUSED, 0),
        errors=dict(wrong),
        p50=percentile(least, 0.5),
        p95=percentile(least, 0.95),
        latest=max((answer.late for answer in answers), default=0.0),
        memory_before=median(memory[:tenth]),
        memory_after=median(memory[-tenth:]),
    )


async def carry_out(plan: Plan, served: Served) -> Outcome:
    """All of it, on a service that runs."""
    users = Users(served.address)
    try:
        capacity = plan.capacity or await measure_capacity(plan, users.ask)
        print(f"capacity: {capacity:.2f} pictures/s of {plan.steps} steps", flush=True)
        arrivals = poisson(plan.load * capacity, plan.seconds, plan.steps, plan.seed, plan.users)
        most = max(plan.steps)
        found: list[Crowd] = []
        for chosen in (arrivals, [each for each in arrivals if each.steps != most]):
            fresh = [each.renumbered(len(found) * len(arrivals)) for each in chosen]
            async with memory_of(served) as memory:
                answers = await play(fresh, users.ask)
            found.append(crowd(plan, answers, memory))
            print(f"{found[-1].drawn} of {found[-1].asked} pictures drawn", flush=True)
        return Outcome(capacity, *found)
    finally:
        await users.close()


def run(plan: Plan, data_dir: Path) -> Outcome:
    """Start a service, carry the plan out, stop the service."""
    with Served(plan.model, data_dir) as served:
        return asyncio.run(carry_out(plan, served))


def lines(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """The outcome as a Markdown table."""
    most, least = max(plan.steps), min(plan.steps)
    yield f"| {plan.users} users, {plan.seconds:.0f} s at {100 * plan.load:.0f} % | all | without {most} steps |"
    yield "|---|---|---|"
    both = outcome.mixed, outcome.without_longest
    rows: dict[str, list[object]] = {
        "pictures asked for": [each.asked for each in both],
        "drawn": [each.drawn for each in both],
        "refused with 429": [each.refused for each in both],
        "other errors": [sum(each.errors.values()) for each in both],
        f"{least} steps, median": [f"{each.p50:.2f} s" for each in both],
        f"{least} steps, p95": [f"{each.p95:.2f} s" for each in both],
        "service and engine, first tenth": [f"{each.memory_before:.0f} MB" for each in both],
        "service and engine, last tenth": [
            f"{each.memory_after:.0f} MB ({100 * each.grown:+.1f} %)" for each in both
        ],
        "asked too late by, at most": [f"{each.latest:.2f} s" for each in both],
    }
    for what, cells in rows.items():
        yield f"| {what} | {cells[0]} | {cells[1]} |"
    yield ""
    yield f"p95 of {least} steps with {most} beside them: {outcome.waiting:.2f} times that without (at most 3 wanted)"
    for each in both:
        yield from (f"error, {count} times: {what}" for what, count in each.errors.items())


def main() -> None:
    """Run it and print; exit 1 where anything but 429 was answered, memory grew, or few steps waited for many."""
    parser = argparse.ArgumentParser(prog="make bench-load", description=__doc__)
    for name in ("seconds", "load", "capacity", "warming", "measuring"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Plan, name))
    for name in ("users", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    parser.add_argument("--steps", type=int, nargs="+", default=Plan.steps)
    parser.add_argument("--model", default=Plan.model)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = vars(parser.parse_args())
    out = asked.pop("json")
    plan = Plan(**asked | {"steps": tuple(asked["steps"])})
    about = describe()
    print("\n".join([*about, f"this takes {plan.minutes:.0f} minutes"]), flush=True)
    if busy():
        print("Other work is using the cores: the seconds will be wrong", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(plan, Path(folder))
    print("\n" + "\n".join(lines(plan, outcome)))
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes")
    if out:
        out.write_text(
            json.dumps({"about": about, "plan": asdict(plan), "outcome": asdict(outcome)}, indent=1),
            encoding="utf-8",
        )
    clean = not (outcome.mixed.errors or outcome.without_longest.errors)
    sys.exit(0 if clean and outcome.mixed.grown <= 0.05 and outcome.waiting <= 3 else 1)


if __name__ == "__main__":
    main()
