"""Where a run may work: apart from the model that it begins with, and from the pictures that it learns from."""

from __future__ import annotations

from collections.abc import Iterable
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


def check_nothing_learned(out: Path, kept: Iterable[Path]) -> None:
    """InvalidInput where an earlier run in `out` has kept something of what it learned in one of the folders `kept`."""
    if any(folder.is_dir() and any(folder.iterdir()) for folder in kept):
        raise InvalidInput(
            f"{out} holds what an earlier run has learned: --resume goes on with it, --anew lets go of it, and --out "
            "names another folder",
            field="out",
        )
