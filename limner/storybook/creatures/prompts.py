"""The frozen prompts of creatures, as those of scenes: written once, before any training, and never changed."""

from __future__ import annotations

from typing import Any

from ..prompts import Prompt, Rng, choose, read_rows
from .captions import describe
from .creature import HELD_OUT, Creature, pairs, sample, statements

_SEED = 0xC4EA


def frozen(name: str) -> tuple[Prompt, ...]:
    """The prompts of "seen" or "held_out"."""
    rows = read_rows("limner.storybook.creatures", name)
    return tuple(Prompt(row["id"], row["prompt"], Creature(**row["scene"])) for row in rows)


def freeze(name: str, count: int = 250) -> list[dict[str, Any]]:
    """Choose prompts that say two traits or more."""

    def prompt(rng: Rng, held_out: bool) -> tuple[str, Creature]:
        return describe(sample(rng, held_out=held_out), rng)

    def fits(said: Creature) -> bool:
        return bool(pairs(said) & HELD_OUT) == (name == "held_out") and len(statements(said)) >= 2

    return choose(name, count, _SEED, prompt, fits)
