"""`limner optimize`: the fastest way to draw a model here that costs hardly any quality."""

from __future__ import annotations

from typing import Annotated

import typer

from ..extras import needs_extra
from .options import DataDir


def optimize(
    model: Annotated[str, typer.Argument(help="A name, name@version, or a model directory.")],
    target: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="cpu|edge|gpu",
            help="cpu: this machine, as fast as may be; edge: with the least memory; gpu: on its GPU.",
        ),
    ] = "cpu",
    prompts: Annotated[
        int | None,
        typer.Option(
            min=1, max=2000, help="How many sentences to draw each way. [default: 200, of a large model 2]"
        ),
    ] = None,
    guidance: Annotated[
        bool, typer.Option("--guidance", help="Also try to guide fewer of the steps (Storybook models).")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Measure precisions, reuse of features and guidance on this machine, choose, and write it into the model."""
    with needs_extra("optimize", "optimizing"):
        from ..evaluation.card import PAGE_NAME
        from ..optimizing.choosing import check_target
        from ..optimizing.choosing import optimize as run
    from rich.console import Console
    from rich.table import Table

    from ..registry import Registry
    from ..registry import data_dir as place

    check_target(target)
    folder = place(data_dir)
    console = Console(stderr=True)
    found, choices = run(Registry(folder).find(model), folder, prompts, guidance, console.log, target)
    table = Table(
        "precision", "guided", "reuse", "s a picture", "statements that hold", "dB to float32", "MB held", ""
    )
    for row in choices.rows:
        table.add_row(
            row.precision,
            f"{row.guidance_interval[0]:g} to {row.guidance_interval[1]:g}",
            str(row.feature_reuse),
            f"{row.seconds:.3f}",
            "" if row.statements is None else f"{100 * row.statements:.1f} %",
            "" if row.psnr is None else f"{row.psnr:.1f}",
            "" if row.memory is None else f"{row.memory:,}",
            "chosen" if row.chosen else "",
        )
    Console().print(table)
    typer.echo(f"{found.name}@{found.version} is drawn so from now on: {found.path}")
    typer.echo(f"card: {found.path / PAGE_NAME}")
