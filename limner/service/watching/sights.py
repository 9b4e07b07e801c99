"""What happens in the service, as plain records, and who is told of it.

Whoever does something hands a record to `Watching`; metrics, logs, traces and the last minute look at it there, and
know nothing of one another. The engine's own records (`engine.watching`) come the same way.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...engine.watching import Sight as EngineSight
from ..jobs import Image, Job

_ENDS_KEPT = 4096
Judged = Literal["prompt", "picture", "upload"]
"""What a gate looks at: what is asked, what was drawn, what was sent."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """A request was answered: `route` is the template of its path, "" where none fits; it took `seconds` until the
    answer began. `request` is its id, `caller` who asked, as the access check names them."""

    method: str
    route: str
    status: int
    seconds: float
    request: str
    caller: str = ""

    @property
    def failed(self) -> bool:
        """Whether the service is at fault; /readyz says 503 where it only waits, too."""
        return self.status >= 500 and (self.route, self.status) != ("/readyz", 503)


@dataclass(frozen=True)
class JobAccepted:
    """A job waits, and is on the disk; `request` is the id of the request that brought it."""

    job: Job
    request: str


@dataclass(frozen=True)
class ResultsLookedUp:
    """A job that names its seeds was accepted: `found` of its pictures had been drawn before, for the same owner."""

    job: Job
    found: int


@dataclass(frozen=True)
class JobTaken:
    """Drawing of a job begins."""

    job: Job


@dataclass(frozen=True)
class PictureStepped:
    """Picture `index` of a job has done `step` of `steps`, `taken` of them since the last that was told."""

    job: Job
    index: int
    step: int
    steps: int
    taken: int


@dataclass(frozen=True)
class PictureKept:
    """A picture is in the store; making a PNG of it took `encoding` seconds, keeping it `storing`."""

    job: Job
    image: Image
    encoding: float
    storing: float


@dataclass(frozen=True)
class PictureFailed:
    """A picture of a job went wrong; `kind` is the class of the error."""

    job: Job
    kind: str


@dataclass(frozen=True)
class JobReturned:
    """A job that ran waits again: `reason` says what went wrong, None where the service stops."""

    job: Job
    reason: str | None


@dataclass(frozen=True)
class JobEnded:
    """A job has succeeded, failed or been cancelled."""

    job: Job


@dataclass(frozen=True)
class GateRefused:
    """A gate refused `what` it looked at."""

    gate: str
    what: Judged


@dataclass(frozen=True)
class GateFailed:
    """A gate did not answer, so that nothing passed; `kind` is the class of the error."""

    gate: str
    what: Judged
    kind: str


GateSight = GateRefused | GateFailed
JobSight = (
    JobAccepted
    | ResultsLookedUp
    | JobTaken
    | PictureStepped
    | PictureKept
    | PictureFailed
    | JobReturned
    | JobEnded
)
Sight = EngineSight | Answered | JobSight | GateSight
Look = Callable[[Sight], None]


class Watching:
    """Tells everyone who looks what happens, from any thread. What one of them raises is logged, and costs nothing.

    Each job is told to have ended once, however often that is said.
    """

    def __init__(self) -> None:
        self._looks: tuple[Look, ...] = ()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, look: Look) -> None:
        """Tell `look` from now on; it must be quick, for the engine waits for it."""
        self._looks += (look,)

    def __call__(self, sight: Sight, /) -> None:
        """Tell everyone."""
        if isinstance(sight, JobTaken):  # one that had failed may be tried again
            with self._lock:
                self._ended.pop(sight.job.id, None)
        if isinstance(sight, JobEnded) and not self._first(sight.job.id):
            return
        for look in self._looks:
            try:
                look(sight)
            except Exception:
                log.exception("who watches the service failed")

    def _first(self, job: str) -> bool:
        with self._lock:
            if job in self._ended:
                return False
            self._ended[job] = None
            if len(self._ended) > _ENDS_KEPT:
                self._ended.popitem(last=False)
            return True
