"""Making a model directory: what it says of itself where it is brought in, and that it is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInput


@dataclass(frozen=True)
class About:
    """What the directory of a model that others have made says of itself; `source` is where it comes from."""

    name: str
    version: str
    title: str
    licence: str
    source: str


def check_place(out: Path) -> None:
    """Raise InvalidInput where a model is there already."""
    if out.exists():
        raise InvalidInput(f"{out} is there already; give the model another --name or --version")


def write_whole(file: Path, text: str) -> None:
    """Write a text file in UTF-8 that is there whole, or as it was before."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def made_whole(out: Path) -> Iterator[Path]:
    """A place, empty or not there yet, for what becomes `out` at the end of the block, instead of what was there.

    Where the block fails, `out` stays as it was.
    """
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
