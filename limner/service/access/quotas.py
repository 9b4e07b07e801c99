"""What a key may use: compute units a day, kept in the database, and requests a minute, counted in memory.

A compute unit is a million pixels, one step of them: a picture of 512 x 512 in 20 steps is 5.2. A job is charged when
it is accepted, to that day (UTC); what it did not draw, because it failed or was cancelled, is given back: of a picture
that is cancelled halfway, the steps that were not taken.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from ...engine.request import DrawRequest
from ...errors import OverLimit
from ..schema import UsageRow
from .caller import Caller

UNIT = 1_000_000
DAY = 86_400
_BUCKETS = 10_000

_USED = (
    select(UsageRow.used)
    .where(UsageRow.key == bindparam("key"), UsageRow.day == bindparam("day"))
    .with_for_update()
)
_NOTE = (
    update(UsageRow)
    .where(UsageRow.key == bindparam("of"), UsageRow.day == bindparam("on"))
    .values(used=bindparam("now"))
)


def cost(request: DrawRequest, n: int) -> int:
    """Pixels times steps of `n` pictures of a resolved request, each with its candidates; UNIT of them are a compute
    unit."""
    return n * request.best_of * (request.width or 1) * (request.height or 1) * (request.steps_taken or 1)


def charge(connection: Connection, caller: Caller, amount: int, now: float | None = None) -> None:
    """Charge `amount`, of `cost`, to the caller's key within a transaction. `now` is seconds since 1970.

    OverLimit where not so much is left of the key's day.
    """
    now = time.time() if now is None else now
    if caller.key is None:
        return
    used = _used(connection, caller.key, now)
    if caller.quota is not None and used + amount > caller.quota * UNIT:
        left = max(0, caller.quota * UNIT - used) / UNIT
        raise OverLimit(
            f"this needs {amount / UNIT:.1f} compute units, and key '{caller.name}' has {left:.1f} of its "
            f"{caller.quota} left today; there are more after midnight UTC",
            retry_after=DAY - now % DAY,
            name="day",
            limit=caller.quota,
            window=DAY,
            left=int(left),
        )
    _note(connection, caller.key, now, used + amount)


def give_back(connection: Connection, key: str | None, amount: int, when: float) -> None:
    """Give back what a job of `when`, in seconds since 1970, was charged and did not use."""
    if key is not None and amount > 0:
        _note(connection, key, when, max(0, _used(connection, key, when) - amount))


def charge_again(connection: Connection, key: str | None, amount: int, when: float) -> None:
    """Charge what a job of `when` was given back and used nevertheless, whatever is left of that day."""
    if key is not None and amount > 0:
        _note(connection, key, when, _used(connection, key, when) + amount)


def _used(connection: Connection, key: str, when: float) -> int:
    """What a key has used on the day of `when`, whose row nobody else changes until the transaction ends."""
    place = {"key": key, "day": int(when // DAY)}
    used: int | None = connection.scalar(_USED, place)
    if used is None:
        connection.execute(insert(UsageRow), {**place, "used": 0})
    return used or 0


def _note(connection: Connection, key: str, when: float, used: int) -> None:
    connection.execute(_NOTE, {"of": key, "on": int(when // DAY), "now": used})


def used_today(engine: Engine) -> dict[str, float]:
    """Compute units that each key has used today (UTC), by the id of the key."""
    with engine.begin() as connection:
        today = select(UsageRow.key, UsageRow.used).where(UsageRow.day == int(time.time() // DAY))
        return {key: used / UNIT for key, used in connection.execute(today)}


@dataclass(frozen=True)
class Taken:
    """What is left in a bucket of `limit` requests: `left` now, full again in `full` seconds.

    `wait` is seconds until there is one, 0 where there was.
    """

    limit: int
    left: int
    full: float
    wait: float


class Buckets:
    """A token bucket for each key: it holds a minute's requests and fills evenly. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, rate: float) -> Taken:
        """Take one request of `rate` a minute."""
        most, now = max(1.0, rate), self._clock()
        with self._lock:
            level, since = self._levels.pop(key, (most, now))
            level = min(most, level + (now - since) * rate / 60)
            wait = max(0.0, (1 - level) * 60 / rate)
            level -= wait == 0
            self._levels[key] = level, now
            if len(self._levels) > _BUCKETS:
                self._levels.popitem(last=False)
        return Taken(int(most), int(level), (most - level) * 60 / rate, wait)


def limit_headers(name: str, limit: int, window: float, left: int, reset: float) -> Mapping[str, str]:
    """The headers of draft-ietf-httpapi-ratelimit-headers-10, and the three of its earlier versions, which more clients
    read."""
    seconds = str(max(1, round(reset)))
    return {
        "RateLimit-Policy": f'"{name}";q={limit};w={round(window)}',
        "RateLimit": f'"{name}";r={left};t={seconds}',
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(left),
        "RateLimit-Reset": seconds,
    }
