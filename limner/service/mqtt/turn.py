"""Whose turn it is: of several services with one database, one at a time works for the devices of a broker."""

from __future__ import annotations

import hashlib
import threading

from sqlalchemy import Connection, Engine, text

from ...errors import StorageDown
from ..database import identity, is_shared

WAIT = 5.0
"""Seconds between two looks at whose turn it is."""


class Turn:
    """The turn at `devices`, which names a broker and a prefix. Each call may block, none but `give_back` at the same
    time as another.

    In PostgreSQL it is an advisory lock of a connection's own: whoever ends, in whatever way, gives it back. A database
    in a file has one service, whose turn it always is.
    """

    def __init__(self, engine: Engine, devices: str) -> None:
        self._engine, self._devices = engine, devices
        self._held: Connection | None = None
        self._over, self._mutex = False, threading.Lock()

    def client(self) -> str:
        """How the broker knows whose turn it is, the same for all of one database: it keeps what comes meanwhile for
        the next one. StorageDown as any call of the database."""
        named = f"{identity(self._engine)}/{self._devices}"
        return f"limner-{hashlib.sha256(named.encode()).hexdigest()[:16]}"

    def take(self) -> bool:
        """Whether it is this service's turn from now on, or is still; not where the database does not say."""
        if not is_shared(self._engine):
            return True
        try:
            if (held := self._held) is not None:
                held.execute(text("SELECT 1"))
            elif (found := self._lock()) is not None:
                with self._mutex:
                    if not self._over:
                        self._held = found
                        return True
                found.close()  # it came too late
        except StorageDown:
            self.give_back()
        return self._held is not None

    def _lock(self) -> Connection | None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # what it holds ends with it: no other call gets it
        digest = hashlib.sha256(f"mqtt {self._devices}".encode()).digest()
        key = {"key": int.from_bytes(digest[:8], "big", signed=True)}
        try:
            # A machine that is gone is known to be within half a minute, in place of hours.
            for name, seconds in (("idle", 10), ("interval", 5), ("count", 3)):
                connection.execute(text(f"SET tcp_keepalives_{name} = {seconds}"))
            if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def give_back(self, for_good: bool = False) -> None:
        """Let the next one have it; `for_good`, also where it is just being taken."""
        with self._mutex:
            self._over |= for_good
            held, self._held = self._held, None
        if held is not None:
            held.close()
