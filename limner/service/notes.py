"""What the runner holds of a job that is drawn, and the notes that others put into its inbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine.request import Event
from ..engine.studio import Drawing
from .jobs import Job
from .places import Promise


@dataclass
class Running:
    """A job that is drawn: by the index of a picture its drawing and the step that it has reached.

    `leaving`: it is to go back into the queue; `cancelled`: it is no longer this runner's, and which pictures were not
    done then are `given_up`; `alone`: no other job was drawn beside it at any time; `ended`: how it ended with its last
    picture. `identity` is of what draws it. `steps` is for the thread alone that tells of its steps.
    """

    job: Job
    drawings: dict[int, Drawing] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    error: Exception | None = None
    leaving: bool = False
    cancelled: bool = False
    given_up: tuple[int, ...] = ()
    alone: bool = True
    identity: str = ""
    ended: Job | None = None


@dataclass(frozen=True)
class Happened:
    """The engine tells an event of picture `index` of a job, other than a step."""

    job: str
    index: int
    event: Event


@dataclass(frozen=True)
class Cancelled:
    """A job was cancelled in the store."""

    job: str


@dataclass(frozen=True)
class Accepted:
    """A place that was promised need not be kept any more: its job is born, or waits in the queue, or was refused."""

    promise: Promise


@dataclass(frozen=True)
class Look:
    """The queue has changed."""


@dataclass(frozen=True)
class Drain:
    """Take no more jobs, and be done at `deadline` of the monotonic clock."""

    deadline: float
