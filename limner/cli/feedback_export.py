"""`limner feedback export`: what people said of pictures, as a captioned set to tune on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .left_out import say_left_out
from .options import DatabaseUrl, DataDir, ImagesPlace, KeyFile


def export(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also pictures that were voted down, or only noted.")
    ] = False,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    images: ImagesPlace = None,
    encryption_key_file: KeyFile = None,
) -> None:
    """Write the pictures that were voted up or whose caption was mended; works beside a running service."""
    from ..registry.places import data_dir as place
    from ..service.database import beside_service
    from ..service.feedback import FeedbackStore
    from ..service.feedback import export as write
    from ..service.images import open_stores
    from ..service.storage import StorageOptions

    directory = place(data_dir, make=bool(database))
    options = StorageOptions(database, images, encryption_key_file)
    with beside_service(directory, database) as engine:
        pictures = open_stores(options, directory)["images"]
        done = write(FeedbackStore(engine), pictures.get, folder, everything)
    gone = f"; {done.gone} no longer there" if done.gone else ""
    typer.echo(f"{folder}: {done.pictures} captioned pictures, {done.pairs} pairs{gone}")
    say_left_out(done.damaged)
