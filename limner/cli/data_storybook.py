"""`limner data storybook`: draw a captioned set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from ..storybook.layout import Drawings


def storybook(
    out: Annotated[Path, typer.Argument(help="The folder to make, or to go on with.")],
    count: Annotated[int, typer.Option(help="How many pictures.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of the square pictures in pixels, 16 to 2048.")] = 128,
    seed: Annotated[int, typer.Option(help="0 to 4294967295; the same seed gives the same pictures.")] = 0,
    world: Annotated[str, typer.Option("--world", "--theme", help="scenes, creatures or birds.")] = "scenes",
    layout: Annotated[
        str, typer.Option(help="captioned, or cub: that of the CUB set of photographs, for birds.")
    ] = "captioned",
    drawings: Annotated[
        str,
        typer.Option(
            help="all; still: every kind of subject at rest, facing one way; one: and in one drawing alone. Fewer are "
            "sooner learned. Scenes only."
        ),
    ] = "all",
) -> None:
    """Draw a world of Storybook as a folder of pictures, captions, masks and scene graphs."""
    from ..data.storybook import write_storybook
    from .progress import counting

    with counting(f"drawing {world}") as progress:
        write_storybook(out, count, size, seed, progress, world, layout, cast("Drawings", drawings))
    typer.echo(f"{count} {world} at {size} px, seed {seed}: {out}")
