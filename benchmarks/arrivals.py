"""Users of a service: those who come when they come (Poisson), the same for whoever serves them, and those in turn.

All of it runs in one asyncio process; how a service is asked is handed in.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

PROMPTS = (
    "a red apple on a wooden table",
    "two people on the mountain",
    "a blue robot in the desert",
    "a red car parked on a street",
    "a black cat in the snow",
    "a white boat on the sea",
    "a purple house in a meadow",
    "a torch in the forest at night",
)


@dataclass(frozen=True)
class Asked:
    """One picture that is asked for, `at` seconds after the beginning."""

    at: float
    steps: int
    prompt: str
    seed: int

    def renumbered(self, by: int) -> Asked:
        """The same with another seed, for what was drawn once may be given again at once."""
        return replace(self, seed=self.seed + by)


@dataclass(frozen=True)
class Answer:
    """What came of it: seconds from asking to having the picture, and what went wrong; `late` is by how many seconds
    the asking itself was late, which must stay small for the rest to mean anything."""

    asked: Asked
    seconds: float
    late: float = 0.0
    wrong: str | None = None


class Refused(Exception):
    """The service has too much to do and says so (429)."""


REFUSED = "refused (429)"
Ask = Callable[[Asked], Awaitable[object]]


def asked_for(steps: Sequence[int], seed: int) -> Iterator[Asked]:
    """Pictures without end, all at 0: each number of steps is as likely, no picture comes twice."""
    chance = random.Random(seed)
    for number in range(2**31):
        yield Asked(0.0, chance.choice(steps), PROMPTS[number % len(PROMPTS)], seed * 1_000_000 + number)


def poisson(rate: float, seconds: float, steps: Sequence[int], seed: int, users: int = 64) -> list[Asked]:
    """What `users` ask within `seconds`, each a Poisson process of its own, `rate` pictures a second all together."""
    chance = random.Random(seed)
    moments = []
    for _ in range(users):
        at = chance.expovariate(rate / users)
        while at < seconds:
            moments.append(at)
            at += chance.expovariate(rate / users)
    return [
        Asked(at, each.steps, each.prompt, each.seed)
        for at, each in zip(sorted(moments), asked_for(steps, seed), strict=False)
    ]


async def play(arrivals: Sequence[Asked], ask: Ask) -> list[Answer]:
    """Ask for each picture at its time, whatever became of those before; the answers in the order of asking."""
    began = time.perf_counter()
    waiting = []
    for each in arrivals:
        await asyncio.sleep(max(0.0, began + each.at - time.perf_counter()))
        late = time.perf_counter() - began - each.at
        waiting.append(asyncio.create_task(_answer(each, ask, late)))
    return list(await asyncio.gather(*waiting))


async def in_turn(users: int, seconds: float, pictures: Iterator[Asked], ask: Ask) -> list[Answer]:
    """`users` who each ask for the next picture as soon as they have one, for `seconds`; what was finished by then."""
    end = time.perf_counter() + seconds
    found: list[Answer] = []

    async def use() -> None:
        while time.perf_counter() < end:
            answer = await _answer(next(pictures), ask)
            if time.perf_counter() <= end:
                found.append(answer)

    await asyncio.gather(*(use() for _ in range(users)))
    return found


async def _answer(asked: Asked, ask: Ask, late: float = 0.0) -> Answer:
    began = time.perf_counter()
    wrong = None
    try:
        await ask(asked)
    except Refused:
        wrong = REFUSED
    except Exception as error:  # noqa: BLE001 - each is counted by what it says
        wrong = f"{type(error).__name__}: {error}"[:200]
    return Answer(asked, time.perf_counter() - began, late, wrong)


def wrongs(answers: Sequence[Answer]) -> Counter[str]:
    """What went wrong, and how often."""
    return Counter(answer.wrong for answer in answers if answer.wrong is not None)


def seconds_of(answers: Sequence[Answer], steps: int | None = None) -> list[float]:
    """Seconds of those that went well, with `steps` only of pictures of so many, least first."""
    return sorted(
        each.seconds for each in answers if each.wrong is None and steps in (None, each.asked.steps)
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the sorted values do not exceed; nearest rank, NaN where there are none."""
    if not values:
        return float("nan")
    return values[max(0, math.ceil(share * len(values)) - 1)]
