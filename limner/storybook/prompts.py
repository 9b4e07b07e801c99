"""The frozen prompts: two files of 250 that every evaluation uses and that never change.

`held_out.jsonl` names at least one pair that training never sees, `seen.jsonl` names none. Each line has an id,
the prompt, and the scene as far as the prompt says it. They were written once, before any training, by `freeze`
and `write_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .captions import describe
from .grammar import HELD_OUT, pairs, random_for, sample
from .scene import Scene, Thing

_SEED = 0xF02E
Rng = np.random.Generator
FROZEN = ("seen", "held_out")


@dataclass(frozen=True)
class Prompt:
    """One frozen prompt, and the scene graph (of whatever world) that a picture of it is held to."""

    id: str
    text: str
    scene: Any


def from_dict(data: dict[str, Any]) -> Scene:
    """A scene from the dictionary that `dataclasses.asdict` makes of it."""
    things = tuple(Thing(**thing) for thing in data["things"])
    return Scene(things, **{name: value for name, value in data.items() if name != "things"})


def read_rows(package: str, name: str) -> list[dict[str, Any]]:
    """The rows of a frozen file that lies with a world's code."""
    lines = files(package).joinpath("frozen", f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def choose(
    name: str,
    count: int,
    seed: int,
    prompt: Callable[[Rng, bool], tuple[str, Any]],
    fits: Callable[[Any], bool],
) -> list[dict[str, Any]]:
    """The rows of a frozen file, the same every time: different sentences of `prompt` whose graph `fits`.

    `prompt` gives a sentence and what it says, with a held-out pair or without.
    """
    rows: dict[str, dict[str, Any]] = {}
    index = 0
    while len(rows) < count:
        rng = random_for(seed + FROZEN.index(name), index)
        index += 1
        text, said = prompt(rng, name == "held_out")
        if fits(said) and text not in rows:
            rows[text] = {"id": f"{name}-{len(rows):03d}", "prompt": text, "scene": asdict(said)}
    return list(rows.values())


def write_rows(folder: Path, freeze: Callable[[str], list[dict[str, Any]]]) -> None:
    """Write both frozen files of a world, which is done once in its life."""
    folder.mkdir(exist_ok=True)
    for name in FROZEN:
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in freeze(name)), encoding="utf-8"
        )


def frozen(name: str) -> tuple[Prompt, ...]:
    """The 250 prompts of "seen" or "held_out"."""
    rows = read_rows("limner.storybook", name)
    return tuple(Prompt(row["id"], row["prompt"], from_dict(row["scene"])) for row in rows)


def freeze(name: str, count: int = 250) -> list[dict[str, Any]]:
    """Choose prompts of scenes."""

    def prompt(rng: Rng, held_out: bool) -> tuple[str, Scene]:
        return describe(sample(rng, held_out=held_out), rng)

    return choose(
        name, count, _SEED, prompt, lambda said: bool(pairs(said) & HELD_OUT) == (name == "held_out")
    )
