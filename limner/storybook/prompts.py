"""The frozen prompts: two files of 250 that every evaluation uses and that never change.

`held_out.jsonl` names at least one pair that training never sees, `seen.jsonl` names none. Each line has an id,
the prompt, and the scene as far as the prompt says it. They were written once by `freeze`, before any training.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from .captions import describe
from .grammar import HELD_OUT, pairs, random_for, sample
from .scene import Scene, Thing

_SEED = 0xF02E
FROZEN = ("seen", "held_out")


@dataclass(frozen=True)
class Prompt:
    """One frozen prompt, and the scene graph (of whatever world) that a picture of it is held to."""

    id: str
    text: str
    scene: Any


def to_dict(scene: Scene) -> dict[str, Any]:
    """A scene as JSON can hold it."""
    return asdict(scene)


def from_dict(data: dict[str, Any]) -> Scene:
    """The inverse of `to_dict`."""
    things = tuple(Thing(**thing) for thing in data["things"])
    return Scene(things, **{name: value for name, value in data.items() if name != "things"})


def frozen(name: str) -> tuple[Prompt, ...]:
    """The 250 prompts of "seen" or "held_out"."""
    lines = files(__package__).joinpath("frozen", f"{name}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return tuple(Prompt(row["id"], row["prompt"], from_dict(row["scene"])) for row in rows)


def freeze(name: str, count: int = 250) -> list[dict[str, Any]]:
    """Choose prompts: the rows of a frozen file, the same every time."""
    rows: dict[str, dict[str, Any]] = {}
    index = 0
    while len(rows) < count:
        rng = random_for(_SEED + FROZEN.index(name), index)
        index += 1
        scene = sample(rng, held_out=name == "held_out")
        text, said = describe(scene, rng)
        if bool(pairs(said) & HELD_OUT) == (name == "held_out") and text not in rows:
            rows[text] = {"id": f"{name}-{len(rows):03d}", "prompt": text, "scene": to_dict(said)}
    return list(rows.values())


def write_frozen(folder: Path) -> None:
    """Write both files, which is done once in the life of a world."""
    folder.mkdir(exist_ok=True)
    for name in FROZEN:
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in freeze(name)))
