"""A captioned set: pictures, each with one or more captions, perhaps a mask, and attributes."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from .layouts import entries_of
from .metadata import Box, Entry, Part


@dataclass(frozen=True)
class Item:
    """One picture: its file, its captions (at least one), its mask, and whatever else the set says of it.

    A mask is a picture of the same size: 0 is background, k the k-th subject. Where there is a `box`, the picture is
    what lies in it (`load_picture`); `part` is the side of the set's own split that the picture is on, if it has one.
    """

    file: Path
    captions: tuple[str, ...]
    mask: Path | None
    attributes: dict[str, Any]
    box: Box | None = None
    part: Part | None = None


@dataclass(frozen=True)
class CaptionedSet:
    """The items of a folder, in the order in which its metadata lists them (by name without metadata)."""

    folder: Path
    items: tuple[Item, ...]

    def content_hash(self) -> str:
        """SHA-256 in hex over names, captions, attributes and the bytes of all pictures and masks.

        The same set has the same hash wherever its folder lies. Reads every file once.
        """
        digest = hashlib.sha256()
        for item in self.items:
            files = [item.file, *([item.mask] if item.mask else [])]
            words = [
                [file.relative_to(self.folder).as_posix() for file in files],
                [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
                item.captions,
                item.attributes,
                *([item.box, item.part] if item.box or item.part else []),
            ]
            digest.update(json.dumps(words, sort_keys=True).encode() + b"\n")
        return digest.hexdigest()


def read_set(folder: Path) -> CaptionedSet:
    """Read a folder of captioned pictures.

    Either `metadata.jsonl` or `metadata.csv` lists the pictures: `file_name` and `text` (one caption or a
    list; in CSV a list is written as JSON), optionally `mask` (a file name), and any other columns, which
    become attributes. Or a `.txt` of the same name lies beside each picture, one caption a line. Or it is CUB
    (`cub`). Names are relative to the folder. Pictures are not opened: `limner data check` does that.

    Raises NotFound without the folder; InvalidInput naming file and line at the first thing that cannot be
    used: a line that is not well formed, a picture without a caption, a file that is not there, an empty set.
    """
    items = []
    for found in entries_of(folder):
        if not isinstance(found, Entry):
            if found.kind == "no picture":
                continue
            raise InvalidInput(f"{found}; `limner data check {folder}` lists everything of the kind")
        for name in (found.name, found.mask):
            if name is not None and not os.path.isfile(folder / name):
                raise InvalidInput(f"{found.where}: '{name}' is not there")
        mask = folder / found.mask if found.mask else None
        items.append(Item(folder / found.name, found.captions, mask, found.attributes, found.box, found.part))
    if not items:
        raise InvalidInput(
            f"{folder} holds no captioned pictures; it needs metadata.jsonl, metadata.csv, "
            "or a .txt beside each picture"
        )
    return CaptionedSet(folder, tuple(items))
