"""`limner train`: a recipe in, a model directory out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import needs_extra
from .options import DataDir


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as recipes/storybook-cpu.toml.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of this run. [default: runs/<recipe's name>]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Let go of what was learned in that folder.")] = False,
    init: Annotated[
        str | None,
        typer.Option("--init", metavar="MODEL", help="The model to tune, or whose networks to start from."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The captioned pictures. [default: the recipe's]"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Train a model by a recipe; Ctrl-C saves, --resume goes on exactly there."""
    with needs_extra("train", "training"):
        from ..registry.models import Registry
        from ..registry.places import data_dir as place_of
        from ..training.run import train as run
    parent = Registry(place_of(data_dir)).find(init) if init is not None else None
    run(recipe, out or Path("runs") / recipe.stem, resume, parent, data, anew)
