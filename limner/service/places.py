"""Places in which jobs are drawn side by side, and who may have one without having waited.

A job that comes while a place is free and nobody waits is born in it: one transaction in place of two, and no look at
the queue. Whoever accepts it asks for a promise first; the runner counts promises as if they were drawn.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .jobs import Job
    from .notes import Running


@dataclass
class Promise:
    """A place that is kept free for a job of that kind. `job` is the one that was born in it, held by `worker` for
    `lease` seconds and on the disk; None while there is none."""

    bulk: bool
    worker: str
    lease: float
    job: Job | None = None


class Places:
    """`most` places, of which bulk has three quarters; `running` has the jobs that are in them, for the runner alone to
    change, which holds them as `worker` for `lease` seconds.

    A job that is suspected is drawn with none beside it. Promises are given on any thread while they are `open`; `turn`
    is held while places are filled, and none is given then.
    """

    def __init__(self, most: int, worker: str, lease: float) -> None:
        self.running: dict[str, Running] = {}
        self.turn = threading.Lock()
        self.open = True
        self._most, self._worker, self._lease = most, worker, lease
        self._promises = {False: 0, True: 0}
        self._seconds = 2.0

    @property
    def empty(self) -> bool:
        """Whether nothing is drawn, or about to be."""
        return not self.running and not any(self._promises.values())

    @property
    def retry_after(self) -> float:
        """Seconds until a place in a full queue may be free, 1 to 60."""
        return min(60.0, max(1.0, self._seconds / self._most))

    def took(self, seconds: float) -> None:
        """Count how long a job was in its place."""
        self._seconds += 0.2 * (seconds - self._seconds)

    def free(self, bulk: bool) -> bool:
        """Whether there is a place for a job of that kind."""
        drawn = list(self.running.values())
        if len(drawn) + sum(self._promises.values()) >= self._most or any(
            each.job.suspected for each in drawn
        ):
            return False
        bulky = sum(each.job.priority == "bulk" for each in drawn) + self._promises[True]
        return not bulk or bulky < max(1, self._most * 3 // 4)

    def promise(self, bulk: bool) -> Promise | None:
        """Keep a place free until it is `taken`; None where there is none, or places are just being filled."""
        if not self.turn.acquire(blocking=False):
            return None
        try:
            if not self.open or not self.free(bulk):
                return None
            self._promises[bulk] += 1
            return Promise(bulk, self._worker, self._lease)
        finally:
            self.turn.release()

    def taken(self, promise: Promise) -> None:
        """Count a promise no more: its job is about to be in its place, or there is none. Under `turn`."""
        self._promises[promise.bulk] -= 1
