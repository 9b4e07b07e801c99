from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Queue
from types import SimpleNamespace
from typing import cast

import pytest

from limner.engine.apart import process as process_module
from limner.engine.apart import supervising
from limner.engine.apart.process import EngineProcess
from limner.engine.apart.supervising import Rules, Supervisor

MB = 2**20


class FakeProcess:
    """A life of the engine as the supervisor sees it."""

    def __init__(self) -> None:
        self.changed = threading.Event()
        self.ended, self.retiring, self.overgrown = False, False, False
        self.finished, self.memory = 0, 0
        self.unmade: str | None = None
        self.over = threading.Event()

    def hanging(self, silence: float, patience: float, since: float) -> str | None:
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


def test_what_crashes_while_it_is_to_be_replaced_has_crashed(caplog: pytest.LogCaptureFixture) -> None:
    lives = Lives()
    supervisor = lives.supervisor(Rules())
    first = lives.next()
    first.retiring = first.ended = True
    first.changed.set()
    lives.next()
    supervisor.close()
    assert lives.ends[0] == "was ended by signal 9"
    assert "the engine was ended by signal 9 after 0 pictures" in caplog.text


class Quiet(FakeProcess):
    """A life without a sign since the clock's zero; what `hanging` says of it comes out of `answers`."""

    def __init__(self, still: float) -> None:
        super().__init__()
        self.began = self._beaten = 1.0
        self._still = still
        self.answers: Queue[str | None] = Queue()

    def hanging(self, silence: float, patience: float, since: float) -> str | None:
        answer = EngineProcess.hanging(cast(EngineProcess, self), silence, patience, since)
        self.answers.put(answer)
        return answer


@pytest.mark.parametrize(
    ("rules", "why"), [(Rules(100, 1e9), "gave no sign of life"), (Rules(1e9, 100), "did not move")]
)
def test_while_the_service_is_stopped_nothing_counts_as_hanging(
    monkeypatch: pytest.MonkeyPatch, rules: Rules, why: str
) -> None:
    now = 1.0
    for module in (process_module, supervising):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    quiet, ends = Quiet(1e6), Queue[str]()
    supervisor = Supervisor(lambda: cast(EngineProcess, quiet), ends.put, lambda: False, rules)

    def looked() -> str | None:
        quiet.changed.set()
        return quiet.answers.get(timeout=60)

    assert looked() is None
    now += 1e10
    assert looked() is None
    for _ in range(3):
        now += 40
        answer = looked()
    while answer is None:
        answer = looked()
    assert answer == f"{why} for 120 s"
    quiet.ended = True
    supervisor.close()


@pytest.mark.parametrize("error", [OSError("no more processes"), RuntimeError("can't start new thread")])
def test_a_system_that_starts_nothing_is_asked_again(error: Exception) -> None:
    lives, asked = Lives(), threading.Semaphore(0)

    def begin() -> EngineProcess:
        asked.release()
        if len(lives.ends) < 3:
            raise error
        return lives.begin()

    supervisor = Supervisor(
        begin, lives.ends.append, lambda: False, Rules(first_pause=0.001, most_pause=0.002)
    )
    lives.next()
    supervisor.close()
    assert lives.ends[:3] == [f"cannot be started ({error})"] * 3
