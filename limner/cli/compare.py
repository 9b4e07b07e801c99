"""`limner compare`: several models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import needs_extra
from .evaluate import Count, DataSet, Inception, MatcherOption, Prompts, Seeds
from .options import DataDir


def compare(
    models: Annotated[list[str], typer.Argument(help="Two to six models.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The folder of the page and the cards. [default: under runs/]"),
    ] = None,
    data: DataSet = None,
    prompts: Prompts = None,
    n: Count = None,
    seeds: Seeds = 3,
    matcher: MatcherOption = None,
    inception: Inception = None,
    data_dir: DataDir = None,
) -> None:
    """Draw the same prompts with the same seeds by each, and write one page: pictures in columns, numbers, cost."""
    with needs_extra("train", "comparison"):
        from ..evaluation.comparing import compare as run
    typer.echo(run(models, out, seeds, n, data_dir, data, prompts, matcher, inception))
