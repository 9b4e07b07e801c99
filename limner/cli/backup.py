"""`limner backup` and `limner restore`: everything that a service keeps, in one file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from .left_out import say_left_out
from .options import DatabaseUrl, DataDir, ImagesPlace, KeyFile


def backup(
    where: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A folder, or the file to write.")],
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    images: ImagesPlace = None,
    encryption_key_file: KeyFile = None,
) -> None:
    """Back up jobs, keys, pictures and own models into one file, while the service runs; with a key it is sealed."""
    from sqlalchemy import inspect

    from ..registry.places import data_dir as place
    from ..service.database import beside_service
    from ..service.images import open_stores
    from ..service.storage import StorageOptions, sealer_of
    from ..service.storage.backup import backup as run
    from ..service.storage.rows import others

    directory = place(data_dir, make=bool(database))
    options = StorageOptions(database, images, encryption_key_file)
    sealer = sealer_of(options)
    with beside_service(directory, database, migrate=False) as engine:
        file, manifest = run(where, engine, open_stores(options, directory), directory, sealer, _tell)
        passed_over = others(inspect(engine).get_table_names())
    jobs, pictures, models = _counts(manifest.entries, manifest.rows)
    sealed = "" if sealer is None else ", sealed"
    typer.echo(f"backed up {jobs} jobs, {pictures} pictures and {models} files of models to {file}{sealed}")
    _say_passed_over(passed_over)
    if manifest.missing:
        typer.echo(f"{len(manifest.missing)} pictures that jobs name were not there", err=True)
    say_left_out(manifest.damaged)


def restore(
    file: Annotated[Path, typer.Argument(help="What limner backup has written.")],
    force: Annotated[
        bool, typer.Option("--force", help="Put it over jobs and models that are there.")
    ] = False,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    images: ImagesPlace = None,
    encryption_key_file: KeyFile = None,
) -> None:
    """Restore a backup, checked to its last byte first, to where no service runs."""
    from ..registry.places import data_dir as place
    from ..service.database import data_lock, usable
    from ..service.images import open_stores
    from ..service.storage import StorageOptions, sealer_of
    from ..service.storage.restore import restore as run
    from ..service.storage.rows import others

    directory, options = place(data_dir), StorageOptions(database, images, encryption_key_file)
    with usable(directory):
        lock = data_lock(directory)
    try:
        stores, sealer = open_stores(options, directory), sealer_of(options)
        manifest = run(file, database, stores, directory, sealer, force, _tell)
    finally:
        lock.close()
    jobs, pictures, models = _counts(manifest.entries, manifest.rows)
    typer.echo(
        f"restored {jobs} jobs, {pictures} pictures and {models} files of models of {manifest.made_at}"
    )
    _say_passed_over(others(manifest.rows))


def _say_passed_over(tables: list[str]) -> None:
    if tables:
        typer.echo(f"passed over tables that are not Limner's: {', '.join(tables)}", err=True)


def _tell(what: str) -> None:
    import sys

    if sys.stderr.isatty():
        typer.echo(f"{what} ...", err=True)


def _counts(entries: Iterable[str], rows: dict[str, int]) -> tuple[int, int, int]:
    kinds = [name.partition("/")[0] for name in entries]
    return rows.get("jobs", 0), kinds.count("images") + kinds.count("uploads"), kinds.count("models")
