"""`limner verify`: what a picture tells of itself, and whether its signature holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson

if TYPE_CHECKING:
    from ..provenance import Told

_SHOWN = "prompt", "negative_prompt", "model", "version", "seed", "steps", "guidance_scale", "image"
_SIGNATURES = {
    "none": "not signed: anybody may have written this",
    "elsewhere": "its signature lies at an address that it names, which is not asked: nothing is proven",
    "broken": "THE SIGNATURE DOES NOT HOLD",
    "expired": "it is as it was signed, by a certificate that has expired since; nobody says when it was signed",
    "holds": "the signature holds; whether to trust who signed is yours to say (--trust)",
    "trusted": "the signature holds, and who signed is trusted",
}


def verify(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP.")],
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificates of authorities that you trust, PEM.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how a picture was made, who signed that, and whether it is still as it was signed.

    Exit 0 where a signature holds or there is none, with --trust only where who signed is trusted; else 1.
    """
    from ..provenance import read_told

    told = read_told(file, trust)
    typer.echo(told.model_dump_json(indent=2) if as_json else "\n".join(_lines(told)))
    if told.signature == "broken" or (trust is not None and told.signature != "trusted"):
        raise typer.Exit(1)


def _lines(told: Told) -> Iterator[str]:
    yield f"{told.width}x{told.height} px"
    settings = told.settings or {}
    for name in _SHOWN:
        if settings.get(name) not in (None, ""):
            yield f"{name}: {_plain(str(settings[name]))}"
    if not settings:
        yield "it says nothing of how it was drawn"
    yield _SIGNATURES[told.signature]
    if told.signature in ("none", "elsewhere"):
        return
    for name, value in (
        ("signed by", told.by),
        ("made with", told.generator),
        ("by model", ", ".join(told.models)),
        ("actions", ", ".join(told.actions)),
        ("begun from", f"{told.ingredients} other picture" if told.ingredients else ""),
        ("wrong", ", ".join(told.wrong)),
    ):
        if value:
            yield f"{name}: {_plain(value)}"


def _plain(text: str) -> str:
    """In one line, without what a terminal would obey."""
    return "".join(
        one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in " ".join(text.split())
    )
