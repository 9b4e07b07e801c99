"""Backing up everything that a service keeps, while it runs: rows, pictures, the user's models."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from ... import __version__
from ...errors import Damaged, InvalidInput, NotFound
from ..database import revision_of
from ..images import ImageStore
from . import archive, rows
from .archive import ArchiveWriter, Manifest
from .sealing import Sealer

MODELS = "models"
TABLES = "database"
SUFFIX = ".limner"
_IN_MEMORY = 16 * 2**20
Told = Callable[[str], None]


def backup(
    where: Path,
    engine: Engine,
    stores: dict[str, ImageStore],
    data_dir: Path,
    sealer: Sealer | None = None,
    tell: Told = lambda _: None,
) -> tuple[Path, Manifest]:
    """Write a backup to the file `where`, or into the folder `where` under a name of the time; gives the file.

    `stores` are those of pictures by name. The rows are all of one moment, and so are their pictures, which never
    change; what is forgotten while it runs may be named in `missing`. Pictures that are damaged are left out and named
    in `damaged`. `tell` is told what is being done. OSError where the file cannot be written, StorageDown where
    something takes no call, InvalidInput where there are pictures and `sealer` opens none.
    """
    file = _file(where)
    with archive.writing(file, sealer) as writer:
        with _moment(engine) as connection:
            revision = revision_of(connection)
            counted, named = _tables(connection, writer, tell)
        held, damaged = set[str](), set[str]()
        for name, store in stores.items():
            tell(name)
            found, lost = _pictures(name, store, writer)
            held, damaged = held | found, damaged | lost
        if sealer is not None and damaged and not held:
            raise InvalidInput(
                "no picture can be opened with the key: name theirs with --encryption-key-file",
                "encryption_key_file",
            )
        tell(MODELS)
        _models(data_dir / MODELS, writer)
        manifest = Manifest(
            limner=__version__,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            revision=revision or "",
            rows=counted,
            entries=writer.entries,
            missing=sorted(named - held - damaged),
            damaged=sorted(damaged - held),
        )
        writer.finish(manifest)
    return file, manifest


def _file(where: Path) -> Path:
    if where.is_dir():
        return where / f"limner-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    if not where.parent.is_dir():
        raise InvalidInput(
            f"there is no folder {where.parent}: make it, or name another place for the backup"
        )
    return where


def _moment(engine: Engine) -> Connection:
    """A connection whose reads are all of one moment."""
    connection = engine.connect()
    if engine.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="REPEATABLE READ")
    return connection


def _tables(connection: Connection, writer: ArchiveWriter, tell: Told) -> tuple[dict[str, int], set[str]]:
    counted, named = dict[str, int](), set[str]()
    for table in rows.tables_of(connection):
        tell(table.name)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            counted[table.name] = rows.write_rows(connection, table, spool)
            size = spool.tell()
            spool.seek(0)
            writer.add(f"{TABLES}/{table.name}.jsonl", spool, size)
        if table.name == "images":
            for image, beside in connection.execute(select(table.c.image, table.c.beside)):
                named |= {image, *_beside(beside)}
    return counted, named


def _beside(text: str | None) -> set[str]:
    found = json.loads(text) if text else {}
    return {stored["id"] for kind in ("sizes", "maps") for stored in found.get(kind, ())}


def _pictures(name: str, store: ImageStore, writer: ArchiveWriter) -> tuple[set[str], set[str]]:
    held, damaged = set[str](), set[str]()
    for kept in store.list():
        try:
            png = store.get(kept.name)
        except NotFound:
            continue  # forgotten since it was listed
        except Damaged:
            damaged.add(kept.name)
            continue
        held.add(kept.name)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            spool.write(png)
            spool.seek(0)
            writer.add(f"{name}/{kept.name}", spool, len(png))
    return held, damaged


def _models(folder: Path, writer: ArchiveWriter) -> None:
    for path in model_files(folder):
        with path.open("rb") as data:
            writer.add(f"{MODELS}/{path.relative_to(folder).as_posix()}", data, path.stat().st_size)


def model_files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """All files below a folder of models, in order. Links are followed, as the registry follows them, but not to a
    folder that they are in, which `above` has."""
    if not folder.is_dir() or (real := folder.resolve()) in above:
        return
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        else:
            yield from model_files(path, above | {real})
