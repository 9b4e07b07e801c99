"""What the text files of a captioned set say: metadata.jsonl, metadata.csv, or a .txt beside each picture.

Every line becomes an `Entry` or a `Fault`, so that one reader serves those who stop at the first fault and
those who list them all. Nothing here opens a picture.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ..errors import InvalidInput, NotFound

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}) | {
    ".heic",  # not read, but told of: a telephone's pictures are not passed over in silence
    ".heif",
    ".avif",
}
_TABLES = ("metadata.jsonl", "metadata.csv")
_STRUCTURED = frozenset({"subjects", "scene"})  # columns of a table that hold lists or objects
_ABOUT = ("readme", "license", "licence")


Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; it may reach over the edge of its picture."""
Part = Literal["train", "test"]


@dataclass(frozen=True)
class Entry:
    """What is said of one picture; `name` and `mask` are relative to the folder, `where` is file and line.

    `box` is the part of the picture that is meant, and `part` that of the set, where a set says so.
    """

    where: str
    name: str
    captions: tuple[str, ...]
    mask: str | None
    attributes: dict[str, Any]
    box: Box | None = None
    part: Part | None = None


@dataclass(frozen=True)
class Fault:
    """Something that cannot be used: where it is, in `message` what and why, and the picture it speaks of."""

    where: str
    kind: Literal["metadata", "uncaptioned", "no picture"]
    message: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def picture_names(folder: Path) -> list[str]:
    """The pictures under a folder, relative and sorted; hidden files and folders are passed over."""
    return _names(folder, SUFFIXES)


def _names(folder: Path, suffixes: frozenset[str]) -> list[str]:
    found = []
    seen = set()  # real folders: a link may lead back
    for base, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [
            (Path(base) / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes
        ]
    return sorted(found)


def table_of(folder: Path) -> Path | None:
    """The metadata file of a folder, None where captions lie beside the pictures.

    NotFound without the folder; InvalidInput where there are two metadata files.
    """
    if not folder.is_dir():
        raise NotFound(f"folder '{folder}' not found; name a folder of captioned pictures")
    tables = [folder / name for name in _TABLES if (folder / name).is_file()]
    if len(tables) > 1:
        raise InvalidInput(f"{folder} has metadata.jsonl and metadata.csv; keep one of them")
    return tables[0] if tables else None


def read_entries(folder: Path) -> Iterator[Entry | Fault]:
    """All that a folder says of its pictures, in the order of its lines (of its names without a table)."""
    table = table_of(folder)
    if table is None:
        yield from _beside(folder)
        return
    seen: dict[str, str] = {}
    for found in _jsonl(table) if table.suffix == ".jsonl" else _csv(table):
        if isinstance(found, Entry):
            if found.name in seen:
                first = seen[found.name]
                message = f"'{found.name}' is already described at {first}; give it one list of captions"
                yield Fault(found.where, "metadata", message)
                continue
            seen[found.name] = found.where
        yield found


def _jsonl(table: Path) -> Iterator[Entry | Fault]:
    for number, line in enumerate(table.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{table}:{number}"
        try:
            record = json.loads(line.decode())
        except UnicodeDecodeError:
            yield Fault(where, "metadata", "not UTF-8 text")
        except json.JSONDecodeError as error:
            yield Fault(where, "metadata", f"not valid JSON: {error.msg} at column {error.colno}")
        except (ValueError, RecursionError):
            yield Fault(where, "metadata", "not usable JSON: a number too long or lists too deep")
        else:
            yield _entry(where, record)


def _csv(table: Path) -> Iterator[Entry | Fault]:
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = table.read_bytes()[: error.start].count(b"\n") + 1
        yield Fault(f"{table}:{line}", "metadata", "not UTF-8 text")
        return
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    while True:
        where = f"{table}:{rows.line_num + 1}"
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Fault(where, "metadata", f"not valid CSV: {error}")
            continue
        if row is None:
            return
        if header is None:
            header = row
            if len(set(row)) != len(row) or not {"file_name", "text"} <= set(row):
                yield Fault(where, "metadata", "the header must name file_name and text, each column once")
                return
        elif row and len(row) != len(header):
            yield Fault(where, "metadata", f"{len(row)} columns where the header has {len(header)}")
        elif row:
            record: dict[str, Any] = dict(zip(header, row, strict=True))
            record["text"] = _cell(record["text"])
            told = _told(record)
            if isinstance(told, str):
                yield Fault(where, "metadata", f"{told} is not valid JSON")
                continue
            yield _entry(where, {key: value for key, value in told.items() if key != "mask" or value})


def _cell(text: str) -> Any:
    """A caption cell: a JSON list of captions, or one caption as it stands."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if isinstance(found, list) and all(isinstance(caption, str) for caption in found):
            return found
    return text


def _told(record: dict[str, Any]) -> dict[str, Any] | str:
    """A row whose columns of lists and objects are read as JSON where they look like it, or the name of one that is
    not."""
    found = dict(record)
    for name in _STRUCTURED & record.keys():
        if record[name].lstrip()[:1] in ("[", "{"):
            try:
                found[name] = json.loads(record[name])
            except (ValueError, RecursionError):
                return name
    return found


def _entry(where: str, record: Any) -> Entry | Fault:
    if not isinstance(record, dict):
        return Fault(where, "metadata", "must be an object with file_name and text")
    name, text, mask = (record.get(key) for key in ("file_name", "text", "mask"))
    for key, value in (("file_name", name), ("mask", mask)):
        if key == "mask" and value is None:
            continue
        reason = bad_name(value)
        if reason:
            return Fault(where, "metadata", f"{key} {reason}")
    captions = [text] if isinstance(text, str) else [] if text is None else text
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        return Fault(where, "metadata", "text must be one caption or a list of captions")
    captions = [caption.strip() for caption in captions]
    if not captions or not all(captions):
        amount = "an empty caption" if captions else "no caption"
        amount = amount if "text" in record else "no caption: text is missing"
        return Fault(where, "uncaptioned", f"'{name}' has {amount}", name)
    if not all(_encodable(caption) for caption in captions):
        return Fault(where, "metadata", "text has half a surrogate pair")
    rest = {key: value for key, value in record.items() if key not in ("file_name", "text", "mask")}
    mask = PurePosixPath(mask).as_posix() if mask else None
    return Entry(where, PurePosixPath(str(name)).as_posix(), tuple(captions), mask, rest)


def bad_name(value: Any) -> str | None:
    """Why a name of a file must not be used; None where it may."""
    if not isinstance(value, str) or not value.strip():
        return "is missing" if value is None else "must be a file name"
    pure = PurePosixPath(value)
    if pure.is_absolute() or ".." in pure.parts or "\\" in value or "\0" in value or not _encodable(value):
        return f"{value!r} must be a path inside the folder, with forward slashes"
    return None


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _beside(folder: Path) -> Iterator[Entry | Fault]:
    names = picture_names(folder)
    texts = set(_names(folder, frozenset({".txt"})))
    used = set()
    for name in names:
        if not _encodable(name):
            plain = name.encode("utf-8", "backslashreplace").decode()
            yield Fault(str(folder / plain), "metadata", "its name is not UTF-8; rename it", name)
            continue
        text = Path(name).with_suffix(".txt").as_posix()
        if text not in texts:
            yield Fault(str(folder / name), "uncaptioned", f"no caption: '{text}' is not there", name)
            continue
        used.add(text)
        where = str(folder / text)
        try:
            lines = (folder / text).read_bytes().decode("utf-8-sig").split("\n")
        except UnicodeDecodeError:
            yield Fault(where, "metadata", "not UTF-8 text")
            continue
        captions = tuple(line.strip() for line in lines if line.strip())
        if captions:
            yield Entry(where, name, captions, None, {})
        else:
            yield Fault(where, "uncaptioned", f"'{name}' has an empty caption", name)
    for text in sorted(texts - used):
        if _encodable(text) and not Path(text).name.lower().startswith(_ABOUT):
            yield Fault(str(folder / text), "no picture", "a caption without a picture of the same name")
