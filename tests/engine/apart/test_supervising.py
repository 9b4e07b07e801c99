from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import cast

import pytest

from limner.engine.apart.process import EngineProcess
from limner.engine.apart.supervising import Rules, Supervisor

MB = 2**20


class FakeProcess:
    """A life of the engine as the supervisor sees it."""

    def __init__(self) -> None:
        self.changed = threading.Event()
        self.ended, self.retiring, self.overgrown = False, False, False
        self.finished, self.memory = 0, 0
        self.over = threading.Event()

    def hanging(self, silence: float, patience: float) -> str | None:
        return None

    def end(self) -> str:
        self.over.set()
        return "was ended by signal 9"


class Lives:
    """Lives that a supervisor begins, and what it is told of their ends."""

    def __init__(self) -> None:
        self.busy = False
        self.ends: list[str] = []
        self.begun: list[FakeProcess] = []
        self._came = threading.Semaphore(0)

    def begin(self) -> EngineProcess:
        self.begun.append(FakeProcess())
        self._came.release()
        return cast(EngineProcess, self.begun[-1])

    def next(self) -> FakeProcess:
        assert self._came.acquire(timeout=60)
        return self.begun[-1]

    def supervisor(self, rules: Rules) -> Supervisor:
        return Supervisor(self.begin, self.ends.append, lambda: self.busy, rules)


def overgrown(process: FakeProcess) -> None:
    process.overgrown = True


def large(process: FakeProcess) -> None:
    process.memory = 120 * MB


@pytest.mark.parametrize("grow", [overgrown, large])
def test_what_has_grown_is_replaced_once_it_draws_nothing(grow: Callable[[FakeProcess], None]) -> None:
    lives = Lives()
    supervisor = lives.supervisor(Rules(silence=0.04, memory=100 * MB))
    first, lives.busy = lives.next(), True
    grow(first)
    assert (
        not first.over.wait(0.2) and not first.retiring
    )  # it has drawn nothing yet: the next would be as large
    first.finished = 1
    for _ in range(6000):
        if first.retiring:
            break
        first.changed.set()
        time.sleep(0.01)
    assert first.retiring
    assert not first.over.is_set()
    lives.busy = False
    assert first.over.wait(60)
    lives.next()
    supervisor.close()
    assert lives.ends[0] == "was replaced for its memory"


def test_what_has_grown_far_too_large_is_ended_at_once() -> None:
    lives = Lives()
    supervisor = lives.supervisor(Rules(silence=0.04, memory=100 * MB))
    first, lives.busy = lives.next(), True
    first.memory = 151 * MB
    assert first.over.wait(60)
    lives.next()
    supervisor.close()
    assert "held 151 MB" in lives.ends[0]


def test_a_system_that_starts_nothing_is_asked_again() -> None:
    lives, asked = Lives(), threading.Semaphore(0)

    def begin() -> EngineProcess:
        asked.release()
        if len(lives.ends) < 3:
            raise OSError("no more processes")
        return lives.begin()

    supervisor = Supervisor(
        begin, lives.ends.append, lambda: False, Rules(first_pause=0.001, most_pause=0.002)
    )
    lives.next()
    supervisor.close()
    assert lives.ends[:3] == ["cannot be started (no more processes)"] * 3
