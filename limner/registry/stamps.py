"""What tells the files of a model, as they are now, from any others, without reading one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_SAID_OF_IT = frozenset({"README.md", "card.json", "card.html"})

Marks = tuple[int, ...]
"""Size, times of writing and of change in nanoseconds, inode, device; none of a file that is gone."""


def files(folder: Path) -> list[tuple[str, Marks]]:
    """Every file under `folder` by its path there, in order, with its marks.

    A file that is replaced or written to has other marks, also under the same name and of the same size and time: it
    has another inode, or another time of change, which nobody can set.
    """
    return sorted(_files(str(folder), ""))


def _files(folder: str, within: str) -> Iterator[tuple[str, Marks]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path, f"{within}{entry.name}/")
                else:
                    yield within + entry.name, _marks(entry)
    except OSError:  # no folder, or gone since it was listed
        return


def _marks(entry: os.DirEntry[str]) -> Marks:
    try:
        told = entry.stat()
    except OSError:  # gone since it was listed
        return ()
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino, told.st_dev


def stamp(folder: Path) -> str:
    """Tells what draws in a model's folder from anything else; copied elsewhere, the same files have another stamp.

    What is said of a model is no part of it.
    """
    return stamp_of(files(folder))


def stamp_of(found: Sequence[tuple[str, Marks]]) -> str:
    """The `stamp` of a folder that was found to have those `files`."""
    drawing = [each for each in found if each[0].rpartition("/")[2] not in _SAID_OF_IT]
    return hashlib.sha256(json.dumps(drawing).encode()).hexdigest()
