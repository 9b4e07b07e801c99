"""Restoring a backup: all of it is read and compared first, and only then is anything changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ...errors import InvalidInput, StorageDown, Unavailable
from ..database import DATABASE_NAME, connect, migrate_on, one_at_a_time, unusable
from ..images import ImageStore
from . import archive, rows
from .archive import MANIFEST, Manifest
from .backup import MODELS, TABLES, Told, model_files
from .folder import sync_folder
from .sealing import Sealer

NEW = ".restoring"


def restore(
    file: Path,
    database: str | None,
    stores: dict[str, ImageStore],
    data_dir: Path,
    sealer: Sealer | None = None,
    force: bool = False,
    tell: Told = lambda _: None,
) -> Manifest:
    """Put what the backup `file` holds into the database (in `data_dir` where it is None), stores and `data_dir`.

    No service may run on them. InvalidInput where the backup is not whole, or where something is there already and
    `force` is not set; with it, rows and models that are there go. Unavailable where the database cannot be used.
    Rows and models are put in place last, all at once. Where it fails, what it has written until then is removed; with
    `force` its pictures stay.
    """
    tell("checking")
    manifest = archive.verified(file, sealer)
    place = data_dir / DATABASE_NAME
    if not force:
        _refuse_over_data(database or place, stores, data_dir)
    models, fresh = data_dir / f"{MODELS}{NEW}", data_dir / f"{DATABASE_NAME}{NEW}"
    brought: list[tuple[ImageStore, str]] = []
    _remove(models, fresh)
    try:
        with _opened(database or fresh) as engine, engine.execution_options(write=True).begin() as connection:
            one_at_a_time(connection)
            rows.drop(connection)
            migrate_on(connection, manifest.revision)
            _read(file, sealer, connection, stores, models, brought, tell)
            migrate_on(connection)
            _check(connection, manifest)
            _swap(models, data_dir / MODELS)
        if not database:
            _put_in_place(fresh, place)
    except BaseException:
        if not force:  # then there were no pictures before
            with suppress(StorageDown):
                for store, image in brought:
                    store.delete(image)
        raise
    finally:
        _remove(models, fresh)
    return manifest


@contextmanager
def _opened(database: str | Path) -> Iterator[Engine]:
    engine = connect(database)
    try:
        yield engine
    except (sqlite3.Error, DBAPIError) as error:
        raise unusable(engine, error) from None
    finally:
        engine.dispose()


def _refuse_over_data(database: str | Path, stores: dict[str, ImageStore], data_dir: Path) -> None:
    def there() -> str | None:
        if next(model_files(data_dir / MODELS), None) is not None:
            return "are models"
        for name, store in stores.items():
            if next(store.list(), None) is not None:
                return f"are {name}"
        if isinstance(database, Path) and not database.exists():
            return None
        try:
            with _opened(database) as engine, engine.connect() as connection:
                return None if rows.empty(connection) else "are rows"
        except Unavailable:
            if not isinstance(database, Path):
                raise
            return "is a database that cannot be read"

    found = there()
    if found is not None:
        raise InvalidInput(
            f"there {found} where the backup is to go: name an empty place, or put it over them with --force"
        )


def _read(
    file: Path,
    sealer: Sealer | None,
    connection: Connection,
    stores: dict[str, ImageStore],
    models: Path,
    brought: list[tuple[ImageStore, str]],
    tell: Told,
) -> None:
    tables = {table.name: table for table in rows.tables_of(connection)}
    # They stand in the archive in the order in which they can be filled.
    for table in reversed(tables.values()):
        connection.execute(table.delete())
    takers: dict[str, Callable[[str, IO[bytes]], object]] = {
        MODELS: lambda name, data: _write(models, name, data),
        TABLES: lambda name, data: rows.read_rows(connection, tables[name.removesuffix(".jsonl")], data),
    }
    for store_name, store in stores.items():
        takers[store_name] = partial(_put, store, brought)
    last = ""
    for name, data in archive.reading(file, sealer):
        if name == MANIFEST:
            continue
        kind, _, rest = name.partition("/")
        if kind == TABLES and rows.others([rest.removesuffix(".jsonl")]):
            continue  # of a PostgreSQL that others use, too: former versions took all tables that there were
        if kind != last:
            tell(kind)
            last = kind
        if kind not in takers:
            raise InvalidInput(f"the backup holds '{name[:80]}', which this Limner does not know: update it")
        takers[kind](rest, data)


def _put(store: ImageStore, brought: list[tuple[ImageStore, str]], _name: str, data: IO[bytes]) -> None:
    brought.append((store, store.put(data.read())))


def _write(folder: Path, name: str, data: IO[bytes]) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise InvalidInput(f"the backup names a file outside of its place: '{name[:80]}'")
    file = folder / pure
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as written:
        shutil.copyfileobj(data, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())


def _check(connection: Connection, manifest: Manifest) -> None:
    from sqlalchemy import func, select

    for table in rows.tables_of(connection):
        wanted = manifest.rows.get(table.name)
        found = connection.execute(select(func.count()).select_from(table)).scalar()
        if wanted is not None and found != wanted:
            raise InvalidInput(
                f"{found} of {wanted} rows of {table.name} could be restored; nothing was changed"
            )


def _swap(fresh: Path, place: Path) -> None:
    old = place.with_name(f"{place.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        os.replace(place, old)
    if fresh.exists():
        os.replace(fresh, place)
    shutil.rmtree(old, ignore_errors=True)


def _put_in_place(fresh: Path, place: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{place}{suffix}").unlink(missing_ok=True)
    os.replace(fresh, place)
    sync_folder(place.parent)


def _remove(models: Path, database: Path) -> None:
    shutil.rmtree(models, ignore_errors=True)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
