"""The frozen prompts of birds, as those of scenes: written once, before any training, and never changed."""

from __future__ import annotations

from typing import Any

from ..prompts import Prompt, Rng, choose, read_rows
from .bird import HELD_OUT, Bird, pairs, sample, statements
from .captions import describe

_SEED = 0xB12D


def frozen(name: str) -> tuple[Prompt, ...]:
    """The prompts of "seen" or "held_out"."""
    rows = read_rows("limner.storybook.birds", name)
    return tuple(Prompt(row["id"], row["prompt"], Bird(**row["scene"])) for row in rows)


def freeze(name: str, count: int = 250) -> list[dict[str, Any]]:
    """Choose prompts that say two traits or more."""

    def prompt(rng: Rng, held_out: bool) -> tuple[str, Bird]:
        return describe(sample(rng, held_out=held_out), rng)

    def fits(said: Bird) -> bool:
        return bool(pairs(said) & HELD_OUT) == (name == "held_out") and len(statements(said)) >= 2

    return choose(name, count, _SEED, prompt, fits)
