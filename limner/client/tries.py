"""When to try again: a service that is busy, away for a moment, or cut off in mid-answer."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from ..errors import Unavailable
from .errors import error_of
from .requests import Call

FIRST_PAUSE = 0.25  # seconds; each further one is twice as long
LONGEST_PAUSE = 8.0
# 409: an earlier try with the same Idempotency-Key arrived, and still runs; 502 and 504 are proxies'.
_FOR_NOW = frozenset({409, 429, 502, 503, 504})


class Tries:
    """The tries of one call, at most `patience` seconds of them; `known` says that the service has answered before.

    `lost` and `answered` say after how many seconds to try again, or raise what it comes to.
    """

    def __init__(self, call: Call, url: str, patience: float, known: bool = True) -> None:
        self._call, self._url, self._patience, self._known = call, url, patience, known
        self.restart()

    def restart(self) -> None:
        """Begin to count anew, because something came."""
        self._count, self._since = 0, time.monotonic()

    def lost(self, error: httpx2.HTTPError) -> float:
        """After no answer, or half of one; Unavailable where another try would be too late, or nobody was there."""
        never_sent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
        pause = self._next(None)
        if pause is None or (never_sent and not self._known):
            why = str(error) or type(error).__name__
            raise Unavailable(f"no answer from {self._url} ({why}); is the service running there?") from None
        return pause

    def cut(self) -> float:
        """After a stream of events that ended too soon."""
        pause = self._next(None)
        if pause is None:
            raise Unavailable(f"{self._url} keeps cutting off the events of the job; try again later")
        return pause

    def answered(self, answer: httpx2.Response) -> float | None:
        """None where it is good; of what was to be deleted also where an earlier try may have done it. The body must
        have been read."""
        status = answer.status_code
        if answer.is_success or (status == 404 and self._call.method == "DELETE" and self._count > 0):
            return None
        after = retry_after(answer.headers.get("retry-after"))
        pause = self._next(after) if status in _FOR_NOW else None
        if pause is None:
            raise error_of(status, answer.content, after)
        return pause

    def _next(self, after: float | None) -> float | None:
        """The pause before the next try, None where patience ends before it is over."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._count) * random.uniform(0.5, 1)
        # Those that were told the same time do not come back all at once.
        pause = pause if after is None else after + pause / 4
        if time.monotonic() - self._since + pause > self._patience:
            return None
        self._count += 1
        return pause


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date (RFC 9110, 10.2.3); None where it does not."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
