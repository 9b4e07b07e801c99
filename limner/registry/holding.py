"""One process at a time works in a folder: who holds the lock file that lies in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import Unavailable

LOCK_NAME = "run.lock"


class FileLock:
    """A file that is held until `close`; the system lets go of it when the process dies.

    Unavailable, which says `busy`, where another holds it; sqlite3.Error where it cannot be made or written.
    """

    def __init__(self, file: Path, busy: str) -> None:
        self._held = sqlite3.connect(file, timeout=0, check_same_thread=False)
        try:
            self._held.execute("PRAGMA journal_mode=MEMORY")
            self._held.execute("BEGIN EXCLUSIVE")
            # Of a file that cannot be written BEGIN takes a shared lock and says nothing; a change is refused.
            self._held.execute("PRAGMA user_version=1")
        except sqlite3.Error as error:
            self._held.close()
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise Unavailable(busy) from None
            raise

    def close(self) -> None:
        """Let the next one in."""
        self._held.close()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; Unavailable where another holds it, or where the lock cannot be written."""
    file = folder / LOCK_NAME
    busy = f"another run works in {folder}: wait for its end, or name another folder with --out"
    try:
        lock = FileLock(file, busy)
    except sqlite3.Error as error:
        raise Unavailable(f"{file} cannot be written ({error}): name another folder with --out") from None
    with closing(lock):
        yield
