"""Restoring a backup: all of it is read and compared first, and only then is anything changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import Connection, MetaData

from ...errors import InvalidInput
from ..database import DATABASE_NAME, connect, migrate_on, one_at_a_time
from ..images import ImageStore
from . import archive, rows
from .archive import MANIFEST, Manifest
from .backup import MODELS, TABLES, Told
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
    `force` is not set; with it, rows and models that are there go. Pictures come first, then models, then all rows at
    once, so that one that was interrupted can be done again.
    """
    tell("checking")
    manifest = archive.verified(file, sealer)
    place = data_dir / DATABASE_NAME
    if not force:
        _refuse_over_data(database or place, stores, data_dir)
    models = data_dir / f"{MODELS}{NEW}"
    shutil.rmtree(models, ignore_errors=True)
    fresh = None if database else data_dir / f"{DATABASE_NAME}{NEW}"
    if fresh is not None:
        _remove(fresh)
    engine = connect(database or fresh or place)
    try:
        with engine.execution_options(write=True).begin() as connection:
            _clear(connection)
            migrate_on(connection, manifest.revision)
            _read(file, sealer, connection, stores, models, tell)
            migrate_on(connection)
            _check(connection, manifest)
            _swap(models, data_dir / MODELS)
    finally:
        engine.dispose()
    if fresh is not None:
        _put_in_place(fresh, place)
    return manifest


def _refuse_over_data(database: str | Path, stores: dict[str, ImageStore], data_dir: Path) -> None:
    def there() -> str | None:
        if any(path.is_file() for path in (data_dir / MODELS).rglob("*")):
            return "models"
        for name, store in stores.items():
            if next(store.list(), None) is not None:
                return name
        if isinstance(database, Path) and not database.exists():
            return None
        engine = connect(database)
        try:
            with engine.connect() as connection:
                return None if rows.empty(connection) else "rows"
        finally:
            engine.dispose()

    found = there()
    if found is not None:
        raise InvalidInput(
            f"there are {found} where the backup is to go: name an empty place, or put it over them with --force"
        )


def _clear(connection: Connection) -> None:
    one_at_a_time(connection)
    known = MetaData()
    known.reflect(connection)
    known.drop_all(connection)


def _read(
    file: Path,
    sealer: Sealer | None,
    connection: Connection,
    stores: dict[str, ImageStore],
    models: Path,
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
        takers[store_name] = lambda name, data, store=store: store.put(data.read())  # type: ignore[misc]
    last = ""
    for name, data in archive.reading(file, sealer):
        if name == MANIFEST:
            continue
        kind, _, rest = name.partition("/")
        if kind != last:
            tell(kind)
            last = kind
        if kind not in takers:
            raise InvalidInput(f"the backup holds '{name[:80]}', which this Limner does not know: update it")
        takers[kind](rest, data)


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
    _remove(fresh)
    sync_folder(place.parent)


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
