"""Where a run may work: apart from the model that it begins with, and from the pictures that it learns from."""

from __future__ import annotations

from pathlib import Path

from ..data.layouts import takes_all
from ..errors import InvalidInput
from ..registry.models import Model


def check_apart(parent: Model, out: Path) -> None:
    """InvalidInput where a model lies in the folder `out`, which a run writes in."""
    if parent.path.resolve().is_relative_to(out.resolve()):
        raise InvalidInput(
            f"model '{parent.name}' lies in {out}, where this run writes its own; name another folder with --out",
            field="out",
        )


def check_outside(folder: Path, out: Path) -> None:
    """InvalidInput where `out` lies in a set that takes every picture under its folder, those of a run's sheets, too;
    NotFound without that folder."""
    if out.resolve().is_relative_to(folder.resolve()) and takes_all(folder):
        raise InvalidInput(
            f"{out} lies in {folder}, whose set takes every picture in it for one of its own; "
            "name a folder elsewhere with --out",
            field="out",
        )
