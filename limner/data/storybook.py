"""Storybook as an ordinary captioned folder.

    images/000000.png  masks/000000.png  metadata.jsonl  storybook.json

A mask is 0 where there is background and k where the k-th drawn subject shows. A line of metadata.jsonl has
five captions in "text", the scene graph in "scene", and in "subjects" every drawn subject (which thing of the
scene it is, its name, colour and visible box: left, top, right, bottom in pixels). storybook.json says what
the folder holds, so that an interrupted writing goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from .. import storybook
from ..errors import InvalidInput, Unavailable
from ..registry.making import write_whole
from ..storybook.layout import Drawings
from ..storybook.worlds import Example, check_drawings
from ..storybook.worlds import world as world_of
from ..workers import workers
from .cub import GRAPHS, IMAGES
from .cub_writing import save_picture, write_tables

MIN_SIZE, MAX_SIZE, MAX_COUNT, MAX_SEED = 16, 2048, 10_000_000, 2**32 - 1
_CHUNK = 64
_LABEL = "storybook.json"
_TABLES = {"captioned": "metadata.jsonl", "cub": GRAPHS}
LAYOUTS = tuple(_TABLES)
_FOLDERS = {"captioned": ("images", "masks"), "cub": (f"{IMAGES}/images", "birds/text")}
_PARTS = ".parts"


class Label(BaseModel):
    """Which pictures of Storybook a folder holds, and by which code they were drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    world: str = "scenes"
    seed: int
    size: int
    drawn_by: str
    layout: str = "captioned"
    drawings: Drawings = "all"


def _drawn_by() -> str:
    """A hash of the code that draws: pictures of two versions never mix in a folder."""
    digest = hashlib.sha256()
    root = Path(storybook.__path__[0])
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def write_storybook(
    out: Path,
    count: int,
    size: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    world: str = "scenes",
    layout: str = "captioned",
    drawings: Drawings = "all",
) -> Path:
    """Draw `count` pictures of a world, `size` pixels, into the folder `out` on all cores, and return `out`.

    The same arguments give the same files. Called again after an interruption it goes on; called with a
    larger count it adds; a folder that is complete is left as it is, whatever version drew it. `progress`
    is called with (pictures that are there, count). `layout` is "captioned", or "cub" for the world of birds.
    With `drawings` "still" or "one" a kind of subject is drawn in fewer ways, which scenes can do (`World.example`).

    NotFound for an unknown world; InvalidInput where an argument is out of range, or where `out` holds anything but
    such a folder of the same world, seed, size, layout and drawings; Unavailable where it cannot be written.
    """
    for name, value, low, high in (
        ("count", count, 1, MAX_COUNT),
        ("size", size, MIN_SIZE, MAX_SIZE),
        ("seed", seed, 0, MAX_SEED),
    ):
        if not low <= value <= high:
            raise InvalidInput(f"{name} must be {low} to {high}, not {value}", field=name)
    if layout not in LAYOUTS:
        raise InvalidInput(f"layout '{layout}' not found; known: {', '.join(LAYOUTS)}", field="layout")
    if layout == "cub" and world != "birds":
        raise InvalidInput(f"layout cub is for the world birds, not {world}", field="layout")
    check_drawings(world_of(world), drawings)
    label = Label(
        world=world_of(world).name,
        seed=seed,
        size=size,
        drawn_by=_drawn_by(),
        layout=layout,
        drawings=drawings,
    )
    try:
        _prepare(out, label, count)
        lines = _table_lines(out, label)
        if len(lines) > count:
            raise InvalidInput(f"{out} already holds {len(lines)} pictures; ask for as many or more", "count")
        if progress is not None:
            progress(len(lines), count)
        if len(lines) < count:
            _write(out, lines, count, label, progress)
    except OSError as error:
        raise Unavailable(f"cannot write {error.filename or out}: {error.strerror}") from None
    return out


def label_in(folder: Path) -> Label | None:
    """Which pictures a folder holds, where `write_storybook` has written it; else None."""
    try:
        return Label.model_validate_json((folder / _LABEL).read_bytes())
    except (OSError, ValidationError):
        return None


def world_in(folder: Path) -> str | None:
    """The world whose pictures a folder holds, where `write_storybook` has written it; else None."""
    label = label_in(folder)
    return None if label is None else label.world


def number_of(file: Path) -> int:
    """Which picture of Storybook a file in such a folder is of, from 0; -1 where its name does not say."""
    number = file.stem.rpartition("_")[2]
    return int(number) if number.isdigit() else -1


def _prepare(out: Path, label: Label, count: int) -> None:
    file = out / _LABEL
    if out.is_dir() and any(out.iterdir()):
        try:
            found = Label.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            raise InvalidInput(f"{out} is not empty and not a Storybook folder; name an empty one") from None
        same = label.model_copy(update={"drawn_by": found.drawn_by})
        if found != same:
            held = f"{found.world} of seed {found.seed} at {found.size} px"
            held += f" in the layout {found.layout}" if found.layout != label.layout else ""
            held += f", drawings {found.drawings}" if found.drawings != label.drawings else ""
            raise InvalidInput(f"{out} holds {held}; name an empty folder")
        if len(_table_lines(out, label)) == count:
            return
        if found != label:
            there = len(_table_lines(out, label))
            way = f"ask for {there}, or name an empty folder" if there else "name an empty folder"
            what = f"holds {there} pictures drawn" if there else "is unfinished and was begun"
            raise InvalidInput(f"{out} {what} by another version; {way}")
    for folder in (out, *(out / name for name in _FOLDERS[label.layout])):
        folder.mkdir(parents=True, exist_ok=True)
        if folder == out:
            write_whole(file, label.model_dump_json(indent=1) + "\n")


def _table_lines(out: Path, label: Label) -> list[str]:
    table = out / _TABLES[label.layout]
    return table.read_text("utf-8").splitlines(keepends=True) if table.is_file() else []


def _write(
    out: Path, lines: list[str], count: int, label: Label, progress: Callable[[int, int], None] | None
) -> None:
    parts = out / _PARTS
    parts.mkdir(exist_ok=True)
    chunks = [(start, min(start + _CHUNK, count)) for start in range(len(lines), count, _CHUNK)]
    todo = [chunk for chunk in chunks if _part_lines(parts, chunk) is None]
    done = count - sum(stop - start for start, stop in todo)
    for start, stop in _draw(out, todo, label):
        done += stop - start
        if progress is not None:
            progress(done, count)
    for chunk in chunks:
        lines += _part_lines(parts, chunk) or []
    _remove_from(count, *(out / folder for folder in _FOLDERS[label.layout]))
    if label.layout == "cub":
        write_tables(out, lines)
    write_whole(out / _TABLES[label.layout], "".join(lines))
    shutil.rmtree(parts)


def _remove_from(count: int, *folders: Path) -> None:
    """Remove what an interrupted writing of more pictures has left of those from number `count` on."""
    for file in (file for folder in folders for file in folder.rglob("*.*")):
        if file.is_file() and number_of(file) >= count:
            file.unlink()


def _draw(out: Path, chunks: list[tuple[int, int]], label: Label) -> Iterator[tuple[int, int]]:
    cores = os.cpu_count() or 1
    if len(chunks) <= 1 or cores == 1:
        for chunk in chunks:
            yield _draw_chunk(out, chunk, label)
        return
    with workers(min(cores, len(chunks))) as pool:
        for future in as_completed([pool.submit(_draw_chunk, out, chunk, label) for chunk in chunks]):
            yield future.result()


def _part_lines(parts: Path, chunk: tuple[int, int]) -> list[str] | None:
    file = parts / f"{chunk[0]:06d}.jsonl"
    lines = file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []
    return lines if len(lines) == chunk[1] - chunk[0] else None


def _draw_chunk(out: Path, chunk: tuple[int, int], label: Label) -> tuple[int, int]:
    world, lines = world_of(label.world), []
    save = save_picture if label.layout == "cub" else _save
    for index in range(*chunk):
        which = label.seed, index, label.size, label.drawings
        lines.append(json.dumps(save(out, index, world.example(*which))) + "\n")
    write_whole(out / _PARTS / f"{chunk[0]:06d}.jsonl", "".join(lines))
    return chunk


def _save(out: Path, index: int, made: Example) -> dict[str, Any]:
    name = f"{index:06d}.png"
    made.image.save(out / "images" / name)
    Image.fromarray(made.mask).save(out / "masks" / name)
    return {
        "file_name": f"images/{name}",
        "text": made.texts,
        "mask": f"masks/{name}",
        "scene": asdict(made.scene),
        "subjects": made.subjects,
    }
