"""`limner serve`: the page and the calls, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import DEFAULT_PORT, Backend, BackendOption, DatabaseUrl, DataDir, ImagesPlace


def serve(
    port: Annotated[int, typer.Option(envvar="PORT", help="The port; 0 takes a free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="An address of this machine's own.")] = "127.0.0.1",
    model: Annotated[str, typer.Option(help="The model that is loaded at the start.")] = "storybook",
    data_dir: DataDir = None,
    backend: BackendOption = Backend.AUTO,
    database: DatabaseUrl = None,
    images: ImagesPlace = None,
) -> None:
    """Serve the page; says where it is, and runs until Ctrl-C, finishing what it is drawing."""
    from ..service import StorageOptions
    from ..service import serve as run

    run(port, data_dir, model, host, backend.value, typer.echo, StorageOptions(database, images))
