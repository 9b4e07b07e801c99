"""`limner evaluate`: how well a model draws what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import needs_extra
from .options import DataDir

Seeds = Annotated[int, typer.Option(min=1, max=100, help="How many seeds a prompt.")]
Count = Annotated[
    int | None,
    typer.Option(
        "--n", min=1, help="Only so many prompts of each file. [default: all; 250 of a set; 96 fresh]"
    ),
]
DataSet = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="SET",
        help="A folder of captioned pictures, or a world: scenes, creatures, birds. [default: the model's]",
    ),
]
Prompts = Annotated[
    str | None,
    typer.Option(
        "--prompts",
        metavar="FILE",
        help="Sentences to draw instead, one a line; or six; or fresh. With --data held against its pictures.",
    ),
]
MatcherOption = Annotated[
    str | None,
    typer.Option(
        "--matcher", metavar="MODEL", help="A matcher, or the folder of a CLIP. [default: matcher-<world>]"
    ),
]
Inception = Annotated[
    Path | None,
    typer.Option("--inception", metavar="FILE", help="Inception's weights, for FID by torchmetrics."),
]


def evaluate(
    model: Annotated[str, typer.Argument(help="A name, name@version, or a model directory.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The folder of the card. [default: the model's own, else under runs/]",
        ),
    ] = None,
    data: DataSet = None,
    prompts: Prompts = None,
    n: Count = None,
    seeds: Seeds = 3,
    matcher: MatcherOption = None,
    inception: Inception = None,
    data_dir: DataDir = None,
) -> None:
    """Draw what is asked, check and measure the pictures, and write a card: JSON and a page."""
    with needs_extra("train", "evaluation"):
        from ..evaluation.run import evaluate as run
    typer.echo(run(model, out, seeds, n, data_dir, data, prompts, matcher, inception))
