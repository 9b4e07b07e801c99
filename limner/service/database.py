"""Opening the database: SQLite in WAL mode, migrated at start, held by one service at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from ..errors import Unavailable


@contextmanager
def usable(data_dir: Path) -> Iterator[None]:
    """Turn what the disk or the database says against `data_dir` into an Unavailable with the way out."""
    try:
        yield
    except (OSError, sqlite3.Error, DBAPIError) as error:
        reason = error.strerror if isinstance(error, OSError) else getattr(error, "orig", None) or error
        raise Unavailable(
            f"the data directory {data_dir} cannot be used ({reason}): make it readable and writable, "
            "restore it from a backup, or choose another folder with --data-dir"
        ) from None


class DataLock:
    """Keeps a second service off the same data directory; the system lets go of it when the process dies.

    Unavailable when another process holds it; sqlite3.Error where the file cannot be made or written.
    """

    def __init__(self, data_dir: Path) -> None:
        self._held = sqlite3.connect(data_dir / "service.lock", timeout=0, check_same_thread=False)
        try:
            self._held.execute("PRAGMA journal_mode=MEMORY")
            self._held.execute("BEGIN EXCLUSIVE")
            # Of a file that cannot be written BEGIN takes a shared lock and says nothing; a change is refused.
            self._held.execute("PRAGMA user_version=1")
        except sqlite3.Error as error:
            self._held.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise Unavailable(
                f"another Limner service is using {data_dir}: stop it, or choose another folder with --data-dir"
            ) from None

    def release(self) -> None:
        """Let the next service in."""
        self._held.close()


@contextmanager
def beside_service(data_dir: Path) -> Iterator[Engine]:
    """The database under `data_dir` for a command that may run beside a service. Unavailable where there is none to be
    had."""
    with usable(data_dir):
        engine = open_database(data_dir / "limner.db")
    try:
        yield engine
    finally:
        engine.dispose()


def open_database(file: Path) -> Engine:
    """Open and migrate the database at `file`, made where it does not exist.

    A commit is on the disk when it returns (synchronous=FULL). Transactions of
    `engine.execution_options(write=True)` take the write lock at their start, so that what they read
    still holds when they write. Unavailable where a newer Limner made the database; sqlite3.Error or
    DBAPIError where it is damaged.
    """
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 10, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    try:
        _migrate(engine, file)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _migrate(engine: Engine, file: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "limner.service:migrations")
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Unavailable(
                f"the database {file} was made by a newer Limner ({error}): update Limner, "
                "or choose another folder with --data-dir"
            ) from None
