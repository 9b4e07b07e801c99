"""The frozen prompts of creatures, as those of scenes: written once, before any training, and never changed."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..grammar import random_for
from ..prompts import FROZEN, Prompt
from .captions import describe
from .creature import HELD_OUT, Creature, pairs, sample

_SEED = 0xC4EA


def frozen(name: str) -> tuple[Prompt, ...]:
    """The prompts of "seen" or "held_out"."""
    lines = files(__package__).joinpath("frozen", f"{name}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return tuple(Prompt(row["id"], row["prompt"], Creature(**row["scene"])) for row in rows)


def freeze(name: str, count: int = 250) -> list[dict[str, Any]]:
    """Choose prompts that say two traits or more: the rows of a frozen file, the same every time."""
    rows: dict[str, dict[str, Any]] = {}
    index = 0
    while len(rows) < count:
        rng = random_for(_SEED + FROZEN.index(name), index)
        index += 1
        text, said = describe(sample(rng, held_out=name == "held_out"), rng)
        traits = [value for value in asdict(said).values() if value is not None]
        if bool(pairs(said) & HELD_OUT) == (name == "held_out") and len(traits) >= 2 and text not in rows:
            rows[text] = {"id": f"{name}-{len(rows):03d}", "prompt": text, "scene": asdict(said)}
    return list(rows.values())


def write_frozen(folder: Path) -> None:
    """Write both files, which is done once in the life of a world."""
    folder.mkdir(exist_ok=True)
    for name in FROZEN:
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in freeze(name)))
