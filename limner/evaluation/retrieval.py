"""R-precision: does a picture find its own text among a hundred, ninety-nine of which are wrong of it?

Reported by Xu et al. 2018 (AttnGAN, section 4.1) with the encoder that taught the generator, which flatters it, and
with texts at random, some of which are true. Here the judge is independent, and where scene graphs are known each other
text is wrong of the picture by them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..storybook.grammar import random_for
from ..storybook.worlds import World
from ..storybook.worlds.world import Graph
from .distances import Vectors

AMONG = 100
CHANCE = 1 / AMONG
_SEED = 0x4E7A
_FURTHER = 1500


@dataclass(frozen=True)
class Pool:
    """Texts that may be the wrong ones, each with what it says; `graphs` is None where that is not known."""

    texts: Sequence[str]
    graphs: Sequence[Graph] | None


def pool_of(world: World) -> Pool:
    """The frozen prompts of a world and further sentences, no text twice."""
    found = {prompt.text: prompt.scene for name in ("seen", "held_out") for prompt in world.frozen(name)}
    for number in range(_FURTHER):
        text, said = world.prompt(random_for(_SEED, number), number % 2 == 1)
        found.setdefault(text, said)
    return Pool(list(found), list(found.values()))


def wrong_texts(
    pool: Pool, own: Collection[str], shown: Graph | None, world: World | None, seed: int
) -> NDArray[np.int64] | None:
    """Ninety-nine texts of the pool, by place, that are wrong of a picture which shows a graph; None where too few are.

    Without graphs they are any but its `own`.
    """
    found = []
    for place in random_for(_SEED + 1, seed).permutation(len(pool.texts)).tolist():
        if world is not None and pool.graphs is not None and shown is not None:
            if not world.contradicts(shown, pool.graphs[place]):
                continue
        elif pool.texts[place] in own:
            continue
        found.append(place)
        if len(found) == AMONG - 1:
            return np.array(found)
    return None


def finds_its_own(picture: Vectors, own: Vectors, wrong: Vectors) -> bool:
    """Whether a picture (D,) is nearer to its own text (D,) than to all others (99, D); a tie is not."""
    return bool((picture @ own) > (wrong @ picture).max())
