"""What a command that went on in spite of it says at its end."""

from __future__ import annotations

from collections.abc import Iterable

import typer


def say_left_out(damaged: Iterable[str]) -> None:
    """Name pictures that could not be read, a line each; exit status 1 where there are any."""
    named = False
    for image in damaged:
        typer.echo(f"picture {image} is damaged, or sealed with another key, and was left out", err=True)
        named = True
    if named:
        raise typer.Exit(1)
