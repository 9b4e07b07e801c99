"""The last minute and the last errors, for who looks at the service now."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...engine.watching import Batch, EngineEnded, LetGo, Loaded, TextsLookedUp
from ..jobs import Job
from .sights import (
    Answered,
    GateFailed,
    JobEnded,
    JobReturned,
    JobTaken,
    PictureFailed,
    PictureKept,
    PictureStepped,
    Sight,
)

SECONDS = 60
_ERRORS_KEPT = 20

Counted = Literal[
    "requests", "refused", "failures", "pictures", "steps", "calls", "rows", "shares", "texts", "texts_kept"
]


@dataclass(frozen=True)
class Mishap:
    """Something that went wrong `at` seconds since 1970: `what`, and the `job` where it was one's."""

    at: float
    what: str
    job: str | None


@dataclass
class Progress:
    """How far a job is: the step of each picture that is being drawn, of `steps`, and how many pictures are `done`."""

    job: Job
    began: float
    done: int
    steps: int
    reached: dict[int, int]


class Recently:
    """Counts by the second, of which the last SECONDS are kept, and the jobs that are being drawn.

    It looks at every sight; `clock` is in seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds: deque[tuple[int, Counter[Counted]]] = deque()
        self._mishaps: deque[Mishap] = deque(maxlen=_ERRORS_KEPT)
        self._loaded: dict[str, None] = {}
        self._running: dict[str, Progress] = {}
        self._began = clock()

    def __call__(self, sight: Sight, /) -> None:
        """Take note of what happened."""
        if isinstance(sight, Batch):
            if sight.stage == "refine":
                self._count(calls=1, rows=sight.rows, shares=len(sight.pictures))
        elif isinstance(sight, PictureStepped):
            self._count(steps=sight.taken)
            if running := self._running.get(sight.job.id):
                running.steps, running.reached[sight.index] = sight.steps, sight.step
        elif isinstance(sight, PictureKept):
            self._count(pictures=1)
            if running := self._running.get(sight.job.id):
                running.done += 1
        elif isinstance(sight, JobTaken):
            steps = sight.job.request.steps_taken or 0
            self._running[sight.job.id] = Progress(sight.job, self._clock(), len(sight.job.images), steps, {})
        elif isinstance(sight, Answered):
            self._count(requests=1, refused=int(400 <= sight.status < 500), failures=int(sight.failed))
            if sight.failed:
                self._note(f"{sight.method} {sight.route or 'an unknown path'}: {sight.status}", None)
        elif isinstance(sight, TextsLookedUp):
            self._count(texts=sight.found + sight.missed, texts_kept=sight.found)
        elif isinstance(sight, Loaded):
            self._loaded[sight.model] = None
        elif isinstance(sight, LetGo):
            self._loaded.pop(sight.model, None)
        elif isinstance(sight, EngineEnded):
            self._loaded.clear()
            self._note(f"the engine {sight.how}", None)
        elif isinstance(sight, GateFailed):
            self._note(f"gate '{sight.gate}' does not answer: {sight.kind}", None)
        elif isinstance(sight, PictureFailed):
            self._note(f"a picture failed: {sight.kind}", sight.job.id)
        elif isinstance(sight, JobEnded | JobReturned):
            self._running.pop(sight.job.id, None)
            if isinstance(sight, JobEnded) and sight.job.state == "failed":
                self._note(f"failed: {sight.job.error}", sight.job.id)

    def counted(self) -> Counter[Counted]:
        """What happened in the last SECONDS."""
        with self._lock:
            self._forget(int(self._clock()))
            return sum((counts for _, counts in self._seconds), Counter())

    def mishaps(self) -> list[Mishap]:
        """What went wrong last, newest first."""
        with self._lock:
            return list(reversed(self._mishaps))

    def running(self) -> list[Progress]:
        """The jobs that are being drawn, longest first."""
        return list(self._running.values())

    def since(self, moment: float | None = None) -> float:
        """Seconds since a moment of the clock, or since it began to look."""
        return self._clock() - (self._began if moment is None else moment)

    def loaded(self) -> list[str]:
        """The models (`name@version`) of which networks are in memory."""
        return list(self._loaded)

    def _count(self, **happened: int) -> None:
        now = int(self._clock())
        with self._lock:
            if not self._seconds or self._seconds[-1][0] != now:
                self._seconds.append((now, Counter()))
                self._forget(now)
            counts = self._seconds[-1][1]
            for name, count in happened.items():
                counts[name] += count  # type: ignore[index]

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0][0] <= now - SECONDS:
            self._seconds.popleft()

    def _note(self, what: str, job: str | None) -> None:
        with self._lock:
            self._mishaps.append(Mishap(time.time(), what, job))
