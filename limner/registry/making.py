"""Making files and model directories: each is there whole, or as it was before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

from ..errors import InvalidInput, Unavailable


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


def check_writable(folder: Path) -> None:
    """Make a folder where there is none; Unavailable where that fails, or no file can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Unavailable(f"cannot write into '{folder}' ({error.strerror}); name another folder") from None


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8, that is there whole, or as it was before."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def made_whole(out: Path) -> Iterator[Path]:
    """A place, empty or not there yet, for what becomes `out` at the end of the block, instead of what was there.

    Where the block fails, or is interrupted, `out` stays as it was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    made, before = beside / "made", beside / "before"
    try:
        yield made
        if out.is_dir():
            out.rename(before)
        made.rename(out)
    finally:
        if before.exists() and not out.exists():
            before.rename(out)
        shutil.rmtree(beside, ignore_errors=True)
