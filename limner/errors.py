"""The error tree: every message names the thing, the value and the way out.

LimnerError
├── InvalidInput      a value from outside cannot be used (its `field` says which)
│   └── Refused       a gate does not let it through
├── NotFound          a named thing does not exist; the message lists what does
├── Unavailable       a needed part (an extra, a device, a service) is not here
│   └── StorageDown   the database or the picture store takes or gives nothing for now; it may be back soon
│       └── Damaged   a picture is not what was put there; the others may be whole
├── Busy              a bounded queue is full; try again after `retry_after` seconds
│   └── OverLimit     a key has used up what it may
├── Lost              what was at work ended before it was done; asking again may succeed
└── Cancelled         the caller asked to stop
"""

from __future__ import annotations


class LimnerError(Exception):
    """Root of all errors that Limner raises on purpose; `str(error)` is one line for a person.

    `args` are what the constructor takes, so that an error survives the way out of a worker process.
    """


class InvalidInput(LimnerError):
    """A value from outside cannot be used; `field` names it when it has a name."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.field = field

    def __str__(self) -> str:
        return str(self.args[0])


class Refused(InvalidInput):
    """A gate does not let it through: which `gate`, and for what `reason`, a sentence for the user."""

    def __init__(self, message: str, field: str | None, gate: str, reason: str) -> None:
        super().__init__(message, field)
        self.args = (message, field, gate, reason)
        self.gate, self.reason = gate, reason


class NotFound(LimnerError):
    """A named thing does not exist."""


class Unavailable(LimnerError):
    """Something this call needs is not installed or cannot be reached."""


class StorageDown(Unavailable):
    """The database or the picture store takes or gives nothing for now: not there, or full.

    What was accepted before is kept; the same call may work again soon.
    """


class Damaged(Unavailable):
    """One picture is not what was put where it is kept, or was sealed with another key."""


class Busy(LimnerError):
    """A bounded queue is full; try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class OverLimit(Busy):
    """A key has used up what it may: of the limit `name`, `limit` in `window` seconds, `left` is left."""

    def __init__(
        self, message: str, retry_after: float, name: str, limit: int, window: float, left: int = 0
    ) -> None:
        super().__init__(message, retry_after)
        self.args = (message, retry_after, name, limit, window, left)
        self.name, self.limit, self.window, self.left = name, limit, window, left


class Lost(LimnerError):
    """What was at work ended before it was done, and nobody knows at whose fault; asking again may succeed.

    `from_outside`: somebody ended it, so that it was not the fault of what it worked on.
    """

    def __init__(self, message: str, from_outside: bool = False) -> None:
        super().__init__(message)
        self.from_outside = from_outside


class Cancelled(LimnerError):
    """The caller asked to stop."""
