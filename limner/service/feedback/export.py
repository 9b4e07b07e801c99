"""Feedback as a captioned set: pictures in a folder, metadata.jsonl, and the better of two in preferences.jsonl."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Damaged, InvalidInput, NotFound
from .store import DOWN, UP, FeedbackStore, Said

Read = Callable[[str], bytes]
_NAMES = {UP: "up", DOWN: "down", None: None}


@dataclass(frozen=True)
class Exported:
    """How much was written: pictures with captions, pairs; how many pictures are no longer there, which are damaged."""

    pictures: int
    pairs: int
    gone: int
    damaged: tuple[str, ...] = ()


def export(store: FeedbackStore, read: Read, folder: Path, everything: bool = False) -> Exported:
    """Write what was said of pictures into the new or empty `folder`.

    Every picture that was voted up, or whose caption was mended, comes once, with the mended caption in place of the
    prompt; with `everything` those that were voted down or only noted, too. `read` gives the bytes of a picture,
    NotFound where it is gone, Damaged where it is not what was kept; both are passed over. Where several owners speak
    of one picture, what was said last counts. InvalidInput where the folder has something in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is not empty: name a folder that is new or empty", field="folder")
    folder.mkdir(parents=True, exist_ok=True)
    latest: dict[str, Said] = {}
    pairs: dict[tuple[str, str], Said] = {}
    for said in store.all():
        if said.over is not None:
            pairs[said.image, said.over] = said
        elif said.image not in latest or latest[said.image].updated_at <= said.updated_at:
            latest[said.image] = said
    chosen = [said for said in latest.values() if everything or said.vote == UP or said.caption]
    # Pictures of pairs alone have no captions: they lie where a captioned set does not look.
    places = {image: f".pairs/{image}.png" for pair in pairs for image in pair}
    places |= {said.image: f"{said.image}.png" for said in chosen}
    there: dict[str, str] = {}
    damaged: list[str] = []
    for image, place in places.items():
        try:
            if _copied(read, image, folder / place):
                there[image] = place
        except Damaged:
            damaged.append(image)
    rows = [_row(said, there[said.image]) for said in chosen if said.image in there]
    compared = [
        _pair(said, there[better], there[worse])
        for (better, worse), said in pairs.items()
        if better in there and worse in there
    ]
    _write(folder / "metadata.jsonl", rows)
    _write(folder / "preferences.jsonl", compared)
    return Exported(len(rows), len(compared), len(places) - len(there) - len(damaged), tuple(damaged))


def _copied(read: Read, image: str, place: Path) -> bool:
    try:
        content = read(image)
    except NotFound:
        return False
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    return True


def _row(said: Said, file: str) -> dict[str, Any]:
    return {
        "file_name": file,
        "text": said.caption or said.prompt,
        "prompt": said.prompt,
        "vote": _NAMES[said.vote],
        "note": said.note,
        "seed": said.seed,
        "model": said.model,
    }


def _pair(said: Said, better: str, worse: str) -> dict[str, Any]:
    told = {"prompt": said.prompt, "better": better, "worse": worse, "note": said.note}
    return told | {"seed": said.seed, "model": said.model}


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    if rows:
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
