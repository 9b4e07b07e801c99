"""`limner storage`: what a service keeps, and where."""

from __future__ import annotations

import typer

from .options import AsJson, DatabaseUrl, DataDir, ImagesPlace, KeyFile


def storage(
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    images: ImagesPlace = None,
    encryption_key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what lies there: jobs, pictures, pictures that nothing names any more, models, room that is left."""
    from ..registry.places import data_dir as place
    from ..service.database import beside_service
    from ..service.images import open_stores
    from ..service.storage import StorageOptions
    from ..service.storage.report import Lies, report

    directory = place(data_dir, make=bool(database))
    options = StorageOptions(database, images, encryption_key_file)
    with beside_service(directory, database) as engine:
        found = report(engine, open_stores(options, directory), directory)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(found), indent=1))
        return
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table

    def row(name: str, lies: Lies) -> None:
        table.add_row(name, str(lies.count), decimal(lies.size))

    table = Table("what", "how many", "size")
    row("jobs", Lies(sum(found.jobs.values()), found.database_size))
    for state, count in found.jobs.items():
        table.add_row(f"  {state}", str(count), "")
    row("pictures of jobs", found.pictures["images"])
    row("  that nothing names", found.orphans)
    row("uploads", found.pictures["uploads"])
    row("own models, files", found.models)
    console = Console()
    console.print(table)
    since = "" if found.oldest is None else f", since {datetime.fromtimestamp(found.oldest, UTC):%Y-%m-%d}"
    console.print(
        f"{decimal(found.free)} free; jobs in {found.database}{since}", highlight=False, soft_wrap=True
    )
