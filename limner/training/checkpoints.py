"""The checkpoints of a stage: whole or not there, the newest that can be read, the oldest let go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from rich.console import Console

from ..errors import InvalidInput, Unavailable

KEPT = 2
_NAME = "state.pt"

console = Console()


def write(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Keep a state in `folder` beside the others; Unavailable where it cannot be written, and then nothing is lost."""
    final = folder / f"{step:09d}"
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with (partial / _NAME).open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = str(error).splitlines()[0]
        raise Unavailable(f"cannot write a checkpoint to {final}: {reason}; make room") from None
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    for old in _whole(folder)[:-KEPT]:
        shutil.rmtree(
            old, ignore_errors=True
        )  # of a file that is still mapped some systems leave a name behind


def newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint in `folder` that can be read, and its state; None where there is none.

    The state is mapped, not read, so that taking it over needs no memory beside what it becomes. InvalidInput where
    none of several can be read.
    """
    found = _whole(folder)
    for checkpoint in reversed(found):
        try:
            return checkpoint, torch.load(
                checkpoint / _NAME, map_location="cpu", weights_only=True, mmap=True
            )
        except (OSError, RuntimeError, EOFError, UnpicklingError):
            console.print(f"{checkpoint} cannot be read; it is passed over")
    if found:
        raise InvalidInput(f"no checkpoint in {folder} can be read; start again with --anew")
    return None


def _whole(folder: Path) -> list[Path]:
    """Those that are whole, the oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if path.suffix == "")
