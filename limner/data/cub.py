"""The CUB set of birds as it is downloaded, with the captions and the split that AttnGAN's readers expect.

    CUB_200_2011/images/<class>/<name>.jpg    CUB_200_2011/images.txt, bounding_boxes.txt, image_class_labels.txt, ...
    birds/{train,test}/filenames.pickle       birds/text/<class>/<name>.txt       birds/captions.pickle

The two halves may lie side by side, or both in `birds`, or all in one folder. A picture is cropped about its bounding
box: a square of half-side 0.75 max(width, height), as far as the picture reaches. Captions come from `text`, or where
that is not there from captions.pickle. Pickles are read as plain data (`plain_pickle`); nothing in them is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InvalidInput, NotFound
from .metadata import Box, Entry, Fault, Part, bad_name
from .plain_pickle import read_plain_pickle

IMAGES = "CUB_200_2011"
PARTS: tuple[Part, ...] = ("train", "test")
GRAPHS = "storybook.jsonl"
CAPTIONS_A_PICTURE = 10


def is_cub(folder: Path) -> bool:
    """Whether a folder holds CUB, whole or without its captions."""
    return _home(folder) is not None


def read_cub(folder: Path) -> Iterator[Entry | Fault]:
    """What a CUB folder says of its pictures: first those to train on, then those to test with, each in its order.

    Every entry has its part, its box and, as attributes, its class. Without {train,test}/filenames.pickle the parts
    are those of train_test_split.txt.
    """
    home = _home(folder)
    if home is None:
        raise NotFound(f"{folder} has no {IMAGES}/images.txt")
    try:
        yield from _Cub(folder, home).entries()
    except (InvalidInput, NotFound) as error:
        yield Fault(str(folder), "metadata", str(error))


def _home(folder: Path) -> Path | None:
    places = (folder / IMAGES, folder / "birds" / IMAGES, folder)
    return next((p for p in places if (p / "images.txt").is_file() and (p / "images").is_dir()), None)


class _Cub:
    """The tables of one CUB folder, read as they are asked for."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder, home
        about = (home.parent, folder / "birds", folder)
        known = ("text", "captions.pickle", "train")
        self._about = next((p for p in about if any((p / name).exists() for name in known)), folder)

    def entries(self) -> Iterator[Entry | Fault]:
        seen: set[str] = set()
        for part, names in self._parts.items():
            for place, name in enumerate(names):
                where = f"{part} picture {place + 1}, {name}"
                if name in seen:
                    yield Fault(where, "metadata", f"'{name}' is in the set twice")
                    continue
                seen.add(name)
                yield self._entry(where, part, place, name)

    def _entry(self, where: str, part: Part, place: int, name: str) -> Entry | Fault:
        if name not in self._pictures:
            return Fault(where, "metadata", f"'{name}' is not in {IMAGES}/images.txt")
        number, picture = self._pictures[name]
        file = (self._home / "images" / picture).relative_to(self._folder).as_posix()
        if number not in self._boxes:
            return Fault(where, "metadata", f"'{name}' has no line in bounding_boxes.txt", file)
        captions = self._captions(part, place, name)
        if isinstance(captions, Fault):
            return captions
        if not captions:
            return Fault(where, "uncaptioned", f"'{name}' has no caption", file)
        known = {"class": picture.split("/")[0], "class_id": self._class_of(part, place, number)}
        if name in self._graphs:
            known["scene"] = self._graphs[name]
        return Entry(where, file, captions, None, known, self._boxes[number], part)

    def _captions(self, part: Part, place: int, name: str) -> tuple[str, ...] | Fault:
        if not (self._about / "text").is_dir():
            told, words = self._pickled
            rows = told[part][place * CAPTIONS_A_PICTURE : (place + 1) * CAPTIONS_A_PICTURE]
            return tuple(" ".join(words.get(word, "") for word in row).strip() for row in rows if row)
        file = self._about / "text" / f"{name}.txt"
        try:
            lines = file.read_bytes().decode("utf-8-sig", "replace").split("\n")
        except OSError:
            return Fault(str(file), "uncaptioned", f"no caption: '{name}.txt' is not there", name)
        return tuple(line.strip() for line in lines if line.strip())

    def _class_of(self, part: Part, place: int, number: str) -> int:
        found = self._classes[part]
        if found is not None:
            return found[place]
        if number in self._labels:
            return self._labels[number]
        raise InvalidInput(f"picture {number} has no line in image_class_labels.txt")

    @cached_property
    def _parts(self) -> dict[Part, list[str]]:
        files = {part: self._about / part / "filenames.pickle" for part in PARTS}
        if any(file.is_file() for file in files.values()):
            return {part: self._names(file) for part, file in files.items()}
        split = self._table("train_test_split.txt")
        kinds: dict[Part, str] = {"train": "1", "test": "0"}
        return {
            part: [name for name, (number, _) in self._pictures.items() if split.get(number) == kind]
            for part, kind in kinds.items()
        }

    def _names(self, file: Path) -> list[str]:
        found = read_plain_pickle(file)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise InvalidInput(
                f"pickle '{file}' must be a list of names, such as '001.Albatross/Albatross_0001'"
            )
        if wrong := next((name for name in found if bad_name(name)), None):
            raise InvalidInput(f"pickle '{file}': {wrong!r} must be a path inside the folder")
        return found

    @cached_property
    def _classes(self) -> dict[Part, list[int] | None]:
        found: dict[Part, list[int] | None] = {}
        for part in PARTS:
            file = self._about / part / "class_info.pickle"
            if not file.is_file():
                found[part] = None
                continue
            try:
                numbers = read_plain_pickle(file)
            except InvalidInput as error:
                raise InvalidInput(
                    f"{error}; without the file, image_class_labels.txt says the classes"
                ) from None
            whole = isinstance(numbers, list) and all(isinstance(each, int) for each in numbers)
            if not whole or len(numbers) != len(self._parts[part]):
                raise InvalidInput(
                    f"pickle '{file}' must be a list of class numbers, one a name in filenames.pickle"
                )
            found[part] = numbers
        return found

    @cached_property
    def _pickled(self) -> tuple[dict[Part, list[list[int]]], dict[int, str]]:
        file = self._about / "captions.pickle"
        if not file.is_file():
            raise InvalidInput(f"{self._about} has no captions: neither text nor captions.pickle is there")
        found = read_plain_pickle(file)
        wrong = InvalidInput(
            f"pickle '{file}' must be [train captions, test captions, number to word, word to number]"
        )
        if not isinstance(found, list | tuple) or len(found) != 4 or not isinstance(found[2], dict):
            raise wrong
        if not all(isinstance(word, str) for word in found[2].values()):
            raise wrong
        told: dict[Part, list[list[int]]] = {}
        for part, rows in zip(PARTS, found[:2], strict=True):
            if not isinstance(rows, list) or not all(_is_sentence(row) for row in rows):
                raise wrong
            if len(rows) != CAPTIONS_A_PICTURE * len(self._parts[part]):
                raise InvalidInput(
                    f"pickle '{file}' has {len(rows)} captions to {part} with, "
                    f"not {CAPTIONS_A_PICTURE} for each of {len(self._parts[part])} pictures"
                )
            told[part] = rows
        return told, {number: word for number, word in found[2].items() if isinstance(number, int)}

    @cached_property
    def _pictures(self) -> dict[str, tuple[str, str]]:
        """Name without suffix -> number and path under images."""
        found = {}
        for number, path in self._table("images.txt").items():
            if bad_name(path) or not PurePosixPath(path).suffix:
                raise InvalidInput(f"images.txt: {path!r} must be a picture inside the folder")
            found[str(PurePosixPath(path).with_suffix(""))] = (number, path)
        return found

    @cached_property
    def _boxes(self) -> dict[str, Box]:
        found = {}
        for number, text in self._table("bounding_boxes.txt").items():
            try:
                x, y, width, height = (int(float(each)) for each in text.split())
            except (ValueError, OverflowError):
                raise InvalidInput(
                    f"bounding_boxes.txt: '{number} {text}' must be a number and x y width height"
                ) from None
            half, across, down = (
                int(max(width, height) * 0.75),
                int((2 * x + width) / 2),
                int((2 * y + height) / 2),
            )
            found[number] = (across - half, down - half, across + half, down + half)
        return found

    @cached_property
    def _labels(self) -> dict[str, int]:
        table = self._table("image_class_labels.txt")
        return {number: int(label) for number, label in table.items() if label.isdecimal()}

    @cached_property
    def _graphs(self) -> dict[str, Any]:
        """Scene graphs by name, where Storybook drew the set."""
        file = self._folder / GRAPHS
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
        try:
            return {row["name"]: row["scene"] for row in map(json.loads, lines)}
        except (ValueError, KeyError, TypeError):
            raise InvalidInput(f"{file} is not as Storybook wrote it; draw the set again") from None

    def _table(self, name: str) -> dict[str, str]:
        """A table of CUB: the first word of each line -> the rest."""
        file = self._home / name
        try:
            lines = file.read_bytes().decode("utf-8", "replace").splitlines()
        except OSError:
            raise InvalidInput(f"{file} is not there; copy the set again") from None
        rows = (line.split(None, 1) for line in lines if line.strip())
        return {row[0]: row[1].strip() if len(row) > 1 else "" for row in rows}


def _is_sentence(row: Any) -> bool:
    return isinstance(row, list | tuple) and all(isinstance(number, int) for number in row)
