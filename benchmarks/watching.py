"""What watching costs: processor time of one network call that does nothing, with and without somebody looking.

Run as `python -m benchmarks.watching`. Processor time, so that a busy machine does not count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from limner.engine.request import Call, Stepped
from limner.engine.scheduler import StepScheduler
from limner.engine.watching import Batch, Watcher, unwatched
from limner.families import Program
from limner.service.watching import EventLog, Metrics, Recently, Watching

CALLS, ROUNDS = 10_000, 5


def program() -> Program:
    """A picture of CALLS steps."""
    for step in range(CALLS):
        yield Call("unet", {"sample": np.zeros((1, 1), np.float32)})
        yield Stepped(step + 1, CALLS, None)
    return np.zeros((1, 1, 3), np.uint8)


def drawn(watcher: Watcher) -> float:
    """Microseconds of processor time a call, with a network that gives back what it is given."""
    ended = threading.Event()
    scheduler = StepScheduler(lambda graph, inputs: dict(inputs), model="m@1", watcher=watcher)
    clock = time.process_time()
    scheduler.submit(program(), lambda event: None if isinstance(event, Stepped) else ended.set(), "job/0")
    ended.wait()
    spent = time.process_time() - clock
    scheduler.close()
    return spent / CALLS * 1e6


def told(looks: Callable[[], Watching]) -> float:
    """Microseconds of processor time to tell of one call that eight pictures share."""
    watching, batch = (
        looks(),
        Batch("m@1", "unet", "refine", 16, tuple(f"job/{k}" for k in range(8)), 0.0, 0.01),
    )
    clock = time.process_time()
    for _ in range(CALLS):
        watching(batch)
    return (time.process_time() - clock) / CALLS * 1e6


def everyone() -> Watching:
    """Those who look in a service that logs as JSON."""
    watching = Watching()
    for look in (Metrics(), Recently(), EventLog()):
        watching.add(look)
    return watching


def main() -> None:
    """Print the figures."""
    alone, watched = [], []
    for _ in range(ROUNDS):
        alone.append(drawn(unwatched))
        watched.append(drawn(everyone()))
    print(f"one call of the scheduler, nobody looking: {median(alone):.0f} us")
    print(f"the same with metrics, the last minute and a log: {median(watched):.0f} us")
    print(f"telling of a call of eight pictures: {median(told(everyone) for _ in range(ROUNDS)):.0f} us")


if __name__ == "__main__":
    main()
