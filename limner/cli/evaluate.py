"""`limner evaluate`: how well a model draws what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .extra import needs_extra
from .options import DataDir


def evaluate(
    model: Annotated[str, typer.Argument(help="A name, name@version, or a model directory.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The folder of the card. [default: the model's own, else under runs/]",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many seeds a prompt.")] = 3,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many prompts of each file. [default: all]")
    ] = None,
    world: Annotated[str, typer.Option(help="Whose frozen prompts: scenes, creatures or birds.")] = "scenes",
    data_dir: DataDir = None,
) -> None:
    """Draw the frozen prompts, check the pictures, and write a card: JSON and a page."""
    with needs_extra("train", "evaluation"):
        from ..evaluation.run import evaluate as run
    typer.echo(run(model, out, seeds, limit, data_dir, world))
