"""Which of the layouts of a captioned set a folder has, and what it says of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .cub import is_cub, read_cub
from .metadata import Entry, Fault, picture_names, read_entries, table_of


def entries_of(folder: Path) -> Iterator[Entry | Fault]:
    """All that a folder says of its pictures: by its table, else as CUB, else by a .txt beside each picture.

    NotFound without the folder; InvalidInput where there are two tables.
    """
    return read_cub(folder) if table_of(folder) is None and is_cub(folder) else read_entries(folder)


def takes_all(folder: Path) -> bool:
    """Whether every picture under a folder is one of its set, as it is where captions lie beside them.

    Errors as `entries_of`.
    """
    return table_of(folder) is None and not is_cub(folder)


def pictures_of(folder: Path) -> list[str]:
    """The pictures that should be spoken of, relative and sorted; CUB has others beside them, and says which count."""
    return [] if table_of(folder) is None and is_cub(folder) else picture_names(folder)
