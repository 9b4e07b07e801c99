"""`limner distill`: a model in, one out that draws in few steps without guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..extras import needs_extra
from .options import DataDir


def distill(
    model: Annotated[str, typer.Argument(help="A name, name@version, or a model directory.")],
    steps: Annotated[int, typer.Option(help="How many steps it shall draw in.")] = 4,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The folder of this run. [default: runs/<name>-<steps>-steps]"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Let go of what was learned in that folder.")] = False,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Sentences to learn on, one a line. [default: Storybook's, for a model that knows its words]"
        ),
    ] = None,
    updates: Annotated[int, typer.Option(min=1, help="How many updates of the weights.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, max=65_536, help="Jumps an update.")] = 32,
    accumulation: Annotated[
        int, typer.Option(min=1, help="In so many parts, one after another: less memory.")
    ] = 1,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Compute more, hold less.")
    ] = False,
    walks: Annotated[int, typer.Option(min=1, help="How many pictures the teacher draws beforehand.")] = 1024,
    learning_rate: Annotated[
        float | None, typer.Option(help="[default: 5e-4, of a large model 1e-5]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of noise and order.")] = 0,
    name: Annotated[str | None, typer.Option(help="Of the result. [default: <name>-<steps>-steps]")] = None,
    version: Annotated[str, typer.Option(help="Of the result.")] = "1",
    data_dir: DataDir = None,
) -> None:
    """Teach a copy of a model to draw in few steps without guidance; Ctrl-C saves, --resume goes on exactly there."""
    with needs_extra("train", "distilling"):
        from ..training.distilling import distill as run
        from ..training.distilling import settings_of
    from ..registry import Registry
    from ..registry import data_dir as place

    found = Registry(place(data_dir)).find(model)
    settings = settings_of(
        found,
        student_steps=steps,
        steps=updates,
        batch_size=batch_size,
        accumulation=accumulation,
        gradient_checkpointing=gradient_checkpointing,
        walks=walks,
        learning_rate=learning_rate,
        seed=seed,
    )
    name = name or f"{found.name}-{steps}-steps"
    made = run(found, settings, out or Path("runs") / name, resume, prompts, name, version, anew)
    typer.echo(f"{made.name}@{made.version} draws in {steps} steps: {made.path}")
