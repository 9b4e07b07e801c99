"""What the engine lets be seen of its work.

The engine knows nobody who looks: it hands plain records to one function, on its own thread, and forgets them. Every
field is a number, a string or a tuple of strings, so that a record can be sent from one process to another as it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from .request import Stage

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """One call of a network, made for one or more pictures together.

    `model` is `name@version`, `graph` what was called of it, for `stage`; `rows` rows for the `pictures`, by the names
    that `Studio.start` was given. `began` is in seconds since 1970, it took `seconds`; `error` is the kind of what it
    raised, None where it went well.
    """

    model: str
    graph: str
    stage: Stage
    rows: int
    pictures: tuple[str, ...]
    began: float
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Loaded:
    """A graph of `model` (`name@version`) was read and compiled by `backend`, which took `seconds`."""

    model: str
    graph: str
    backend: str
    seconds: float


@dataclass(frozen=True)
class TextsLookedUp:
    """Texts of `model`'s pictures: `found` had their encoding kept from before, `missed` had to be encoded."""

    model: str
    found: int
    missed: int


@dataclass(frozen=True)
class LetGo:
    """`model` is no longer in memory."""

    model: str


@dataclass(frozen=True)
class EngineEnded:
    """A process of the engine is over, and with it all that it had loaded; `how` says why, in words."""

    how: str


Sight = Batch | Loaded | TextsLookedUp | LetGo | EngineEnded


class Watcher(Protocol):
    """Who looks: called on the engine's threads, so it must be quick; what it raises is logged and goes no further."""

    def __call__(self, sight: Sight, /) -> None:
        """Take note of what happened."""
        ...


def unwatched(sight: Sight) -> None:
    """The watcher who does not look."""


def tell(watcher: Watcher, sight: Sight) -> None:
    """Let `watcher` see, whatever comes of it."""
    try:
        watcher(sight)
    except Exception:  # noqa: BLE001 - it is logged, and the pictures go on
        _log.exception("who watches the engine failed")
