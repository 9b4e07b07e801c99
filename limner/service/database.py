"""Opening the database: a SQLite file in WAL mode, or PostgreSQL by URL; migrated at start.

A data directory is held by one service at a time (`data_lock`); a PostgreSQL database may serve several, whose
runners keep out of each other's way by the leases in the job table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ..errors import InvalidInput, NotFound, StorageDown, Unavailable
from ..extras import needs_extra
from ..registry.holding import FileLock

DATABASE_NAME = "limner.db"
HEAD = "head"
_POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_PATIENCE = 5  # seconds until a PostgreSQL that does not answer counts as away
_SILENCE = 10  # and until one does whose machine says nothing to a connection that was there
_MAY_NOT, _READS_ALONE = "42501", "25006"  # SQLSTATE: a right is missing; it takes no writes, as a standby
_SAME_TURN = 0x11_4E  # the advisory lock under which one transaction of all goes on


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


def data_lock(data_dir: Path) -> FileLock:
    """Keep a second service off a data directory; errors as `FileLock`."""
    busy = f"another Limner service is using {data_dir}: stop it, or choose another folder with --data-dir"
    return FileLock(data_dir / "service.lock", busy)


@contextmanager
def beside_service(
    data_dir: Path, database: str | None = None, make: bool = False, migrate: bool = True
) -> Iterator[Engine]:
    """The database at the URL `database`, else that under `data_dir`, for a command that may run beside a service;
    `migrate` as `open_database`. NotFound where there is no file under `data_dir`, unless `make`; Unavailable where it
    cannot be used."""
    file = data_dir / DATABASE_NAME
    with usable(data_dir):
        if not database and not make and not file.exists():
            raise NotFound(
                f"there is no {DATABASE_NAME} in {data_dir}: name the service's data directory with --data-dir, "
                "or its database with --database"
            )
        engine = open_database(database or file, migrate)
    try:
        yield engine
    finally:
        engine.dispose()


def postgres_url(database: str) -> URL:
    """The address of a PostgreSQL database; InvalidInput where it is none."""
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in _POSTGRES:
        shown = database.partition("://")[0][:40]
        raise InvalidInput(
            f"'{shown}' does not begin the address of a PostgreSQL database: "
            "use postgresql://user@host/name, or leave it out for a file in the data directory",
            field="database",
        )
    return url.set(drivername="postgresql+psycopg")


def open_database(where: Path | str, migrate: bool = True) -> Engine:
    """Open and migrate a database: a SQLite file, made where it does not exist, or PostgreSQL by its URL. Without
    `migrate` one of an older Limner is left as it is, and only what reflects its tables can read it.

    What is written is written in transactions of `engine.execution_options(write=True)`. A commit is on the disk when
    it returns, but with `durable=False` in SQLite, which a power cut may undo; what is committed after it is on the
    disk with it. They take SQLite's write lock at their start, so that what they read still holds when they write; with
    PostgreSQL they lock the rows that they read (`for update`). Once it is open, a database that goes away, has no
    room, takes no writes or is damaged raises StorageDown.

    Unavailable where a newer Limner made the database, or PostgreSQL cannot be reached; of a file that is damaged
    sqlite3.Error or DBAPIError. InvalidInput where the URL is none of PostgreSQL.
    """
    engine = connect(where)
    try:
        with engine.execution_options(write=True).begin() as connection:
            one_at_a_time(connection)
            migrate_on(connection, HEAD if migrate else revision_of(connection) or HEAD)
    except DBAPIError as error:
        engine.dispose()
        if isinstance(where, Path):
            raise
        raise unusable(engine, error) from None
    except BaseException:
        engine.dispose()
        raise
    event.listen(engine, "handle_error", _translate)
    return engine


def unusable(engine: Engine, error: sqlite3.Error | DBAPIError) -> Unavailable:
    """What is raised where a database cannot be opened, read or written, as `error` says."""
    cause = getattr(error, "orig", None) or error
    way = "start it, or correct --database" if is_shared(engine) else "make room there, and let it be written"
    if getattr(cause, "sqlstate", None) == _MAY_NOT:
        way = "let its user create and change tables there"
    return Unavailable(f"the database {named(engine)} cannot be used ({first_line(cause)}): {way}")


def named(engine: Engine) -> str:
    """How to name a database to a person: a file, or an address without its password."""
    url = engine.url
    return url.database or "" if url.drivername == "sqlite" else url.render_as_string(hide_password=True)


def first_line(error: object) -> str:
    """What a driver says, in one line."""
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__


def is_shared(engine: Engine) -> bool:
    """Whether other services may use the database at the same time."""
    return engine.dialect.name != "sqlite"


def identity(engine: Engine) -> str:
    """What tells a database from others, as long as it lives."""
    with engine.begin() as connection:
        return str(connection.execute(text("SELECT id FROM identity")).scalar_one())


def one_at_a_time(connection: Connection) -> None:
    """Let the others that call this wait until the transaction of `connection` has ended.

    A write transaction of SQLite has kept them waiting since its start.
    """
    if is_shared(connection.engine):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SAME_TURN})


def connect(where: Path | str) -> Engine:
    """An engine for a database as it is, which it has not spoken to yet; InvalidInput and Unavailable as above."""
    return _sqlite(where) if isinstance(where, Path) else _postgres(postgres_url(where))


def revision_of(connection: Connection) -> str | None:
    """The revision that a database is at; None where it has no tables of Limner's."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate_on(connection: Connection, revision: str = HEAD) -> None:
    """Bring a database to a revision within a transaction; Unavailable where a newer Limner made it."""
    config = Config()
    config.set_main_option("script_location", "limner.service:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        engine = connection.engine
        other = "another --database" if is_shared(engine) else "another folder with --data-dir"
        raise Unavailable(
            f"the database {named(engine)} was made by a newer Limner ({error}): update Limner, or choose {other}"
        ) from None


class _Pool(QueuePool):
    """Raises StorageDown where all of its connections are in use, as where there are none to be had."""

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except PoolTimeout:
            raise StorageDown(
                "the database is busy with other calls; what was accepted is kept: try again soon"
            ) from None


def _sqlite(file: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"timeout": 10, "check_same_thread": False},
        poolclass=_Pool,
        hide_parameters=True,  # prompts are in no line of the log
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
        # SQLite's own lowers ASCII alone; searches look for letters of any script in either case.
        connection.create_function("lower", 1, _folded, deterministic=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("write", False):
            connection.exec_driver_sql("BEGIN")
            return
        synchronous = "FULL" if options.get("durable", True) else "NORMAL"
        if connection.info.get("synchronous") != synchronous:  # kept by the pool with the connection
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
            connection.info["synchronous"] = synchronous
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _postgres(url: URL) -> Engine:
    with needs_extra("scale", "a PostgreSQL database"):
        return create_engine(
            url,
            connect_args={
                "application_name": "limner",
                "connect_timeout": _PATIENCE,
                "tcp_user_timeout": _SILENCE * 1000,  # of what was sent and not acknowledged
                "keepalives_idle": _SILENCE // 2,  # and while an answer is waited for
                "keepalives_interval": 1,
                "keepalives_count": _SILENCE // 2,
            },
            pool_pre_ping=True,  # connections that died with the server are made anew without an error
            poolclass=_Pool,
            hide_parameters=True,
            pool_size=8,
            max_overflow=32,
            pool_timeout=_PATIENCE,
        )


def _translate(context: ExceptionContext) -> None:
    error, cause = context.sqlalchemy_exception, context.original_exception
    if isinstance(error, DataError):  # such as NUL in a name, which PostgreSQL does not take
        raise InvalidInput("a name or an id has a character that cannot be in it") from cause
    if type(cause) is sqlite3.DatabaseError:  # none of its kinds: pages of the file are not what SQLite wrote
        raise StorageDown(
            f"the database is damaged ({first_line(cause)}): restore it from a backup"
        ) from cause
    if getattr(cause, "sqlstate", None) == _READS_ALONE:
        context.is_disconnect = True  # connections made anew may reach the one that takes writes
    if context.is_pre_ping or not (
        context.is_disconnect or isinstance(error, (OperationalError, InterfaceError))
    ):
        return
    raise StorageDown(
        f"the database takes no call for now ({first_line(cause)}); what was accepted is kept: try again soon"
    ) from cause
