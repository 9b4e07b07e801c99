"""Fresh prompts: to try things out on, so that nothing is fitted to the frozen ones."""

from __future__ import annotations

from ..grammar import random_for
from .world import Prompt, World

FRESH = "fresh"
_SEED = 770_001


def fresh_prompts(of: World, count: int) -> tuple[Prompt, ...]:
    """Prompts neither frozen nor trained on, the same ones every time; every second has a pair that is held out."""
    drawn = (of.prompt(random_for(_SEED, index), held_out=index % 2 == 1) for index in range(count))
    return tuple(Prompt(f"{FRESH}-{index:03d}", text, said) for index, (text, said) in enumerate(drawn))
