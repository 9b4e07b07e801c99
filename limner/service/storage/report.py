"""What lies where: counts and sizes, for `limner storage`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from ..database import named
from ..images import ImageStore
from ..schema import JobRow
from .backup import MODELS, model_files
from .retention import orphans


@dataclass(frozen=True)
class Lies:
    """So many things of one kind, in bytes."""

    count: int
    size: int


@dataclass(frozen=True)
class Report:
    """What a service keeps. `jobs` by state; `oldest` is when the first job was made, in seconds since 1970; `free` is
    what the data directory's disk has left, in bytes; `orphans` are pictures that nothing names."""

    database: str
    database_size: int
    jobs: dict[str, int]
    oldest: float | None
    pictures: dict[str, Lies]
    orphans: Lies
    models: Lies
    free: int


def report(engine: Engine, stores: dict[str, ImageStore], data_dir: Path) -> Report:
    """Look at everything; StorageDown where something takes no call."""
    with Session(engine) as session:
        states = select(JobRow.state, func.count()).group_by(JobRow.state).order_by(JobRow.state)
        jobs = {str(row[0]): int(row[1]) for row in session.execute(states)}
        oldest = session.scalar(select(func.min(JobRow.created_at)))
    left = orphans(engine, stores["images"])
    return Report(
        database=named(engine),
        database_size=_database_size(engine),
        jobs=jobs,
        oldest=oldest,
        pictures={name: _sum(kept.size for kept in store.list()) for name, store in stores.items()},
        orphans=_sum(left.values()),
        models=_sum(path.stat().st_size for path in model_files(data_dir / MODELS)),
        free=shutil.disk_usage(data_dir).free,
    )


def _database_size(engine: Engine) -> int:
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    files = (Path(f"{engine.url.database}{suffix}") for suffix in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _sum(sizes: Iterable[int]) -> Lies:
    found = list(sizes)
    return Lies(len(found), sum(found))
