"""Captions that one atom makes wrong, for the pictures of a set whose scene graphs it tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.progress import track

from ..data.captioned import Item
from ..storybook.grammar import random_for
from ..storybook.worlds import World, Wrong, wrong_captions

_SEED = 0x3A7C


def pairs_of(items: Sequence[Item], world: World | None, count: int, seed: int) -> list[list[Wrong]]:
    """For each picture at most `count` captions that one atom makes wrong; none where no scene graph is known."""
    if world is None or not count:
        return [[] for _ in items]
    found = []
    for number, item in enumerate(track(items, "falsifying captions")):
        graph = item.attributes.get("scene")
        rng = random_for(_SEED + seed, number)
        found.append(wrong_captions(world, world.graph(graph), rng, count) if graph is not None else [])
    return found


def beside(taken: int, rights: int, wrongs: int, each: int, rng: np.random.Generator) -> list[int]:
    """Which of a picture's `wrongs` wrong captions, at most `each`, go beside right one `taken` of so many `rights`.

    The last right ones are worded as the wrong ones are: that in the same words comes first, where there is one.
    """
    others: list[int] = rng.permutation(wrongs).tolist()
    others.sort(key=lambda other: other != taken - (rights - wrongs))
    return others[:each]
