"""`limner train`: a recipe in, a model directory out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .extra import needs_extra


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as recipes/storybook-cpu.toml.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of this run. [default: runs/<recipe's name>]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train a model by a recipe; Ctrl-C saves, --resume goes on exactly there."""
    with needs_extra("train", "training"):
        from ..training.run import train as run
    run(recipe, out or Path("runs") / recipe.stem, resume)
