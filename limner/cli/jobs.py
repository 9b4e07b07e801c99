"""`limner jobs`: what failed, for the operator. They work beside a running service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DatabaseUrl, DataDir

if TYPE_CHECKING:
    from sqlalchemy import Engine


def failed(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that failed and why: by their request, after three tries, or set aside for what they end."""
    from ..service import operating

    with _database(data_dir, database) as engine:
        found = operating.failed(engine, limit)
    if as_json:
        import json

        rows = [
            {
                "id": job.id, "owner": job.owner, "error": job.error, "attempts": job.attempts,
                "model": job.request.model, "finished_at": job.finished_at,
            }
            for job in found
        ]  # fmt: skip
        typer.echo(json.dumps(rows, indent=1))
        return
    from datetime import datetime

    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    if not found:
        typer.echo("no job has failed")
        return
    job_id, why = Column("job", no_wrap=True), Column("why", overflow="fold")
    table = Table(job_id, "model", "owner", "tries", "failed", why)
    for job in found:
        when = datetime.fromtimestamp(job.finished_at or 0).astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(job.id, job.request.model, job.owner, str(job.attempts), when, Text(job.error or ""))
    Console().print(table)


def retry(
    jobs: Annotated[list[str], typer.Argument(metavar="ID...", help="As `limner jobs failed` lists them.")],
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Queue failed jobs again, with all tries before them; a running service takes them up within ten seconds."""
    from ..service import operating

    with _database(data_dir, database) as engine:
        for job in jobs:
            operating.retry(engine, job)
            typer.echo(f"job {job} waits again")


@contextmanager
def _database(data_dir: DataDir, database: DatabaseUrl) -> Iterator[Engine]:
    from ..registry.places import data_dir as place
    from ..service.database import beside_service

    with beside_service(place(data_dir, make=False), database) as engine:
        yield engine
