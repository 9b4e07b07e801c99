"""One process at a time works in a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import Unavailable

LOCK_NAME = "run.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets go of it when the process dies.

    Unavailable where another run holds it, or where the file of the lock cannot be made.
    """
    try:
        lock = sqlite3.connect(folder / LOCK_NAME, timeout=0)
    except sqlite3.Error as error:
        raise _away(folder, error) from None
    with closing(lock):
        try:
            lock.execute("PRAGMA journal_mode=MEMORY")
            lock.execute("BEGIN EXCLUSIVE")
            lock.execute("PRAGMA user_version=1")  # refused where the file can only be read
        except sqlite3.Error as error:
            raise _away(folder, error) from None
        yield


def _away(folder: Path, error: sqlite3.Error) -> Unavailable:
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return Unavailable(
            f"another run works in {folder}: wait for its end, or name another folder with --out"
        )
    return Unavailable(f"{folder / LOCK_NAME} cannot be written ({error}): name another folder with --out")
