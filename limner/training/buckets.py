"""Pictures of several shapes in one training: sizes of about the same area, and batches of one size each.

The bucketing of NovelAI (2022): a picture goes to the size nearest in shape, so that little of it is cut away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
"""Width and height in pixels."""

_LONGEST = 2.0  # times the shorter side


def bucket_sizes(side: int, step: int) -> list[Size]:
    """Sizes of at most side x side pixels with both sides multiples of `step`, up to twice as long as wide.

    The square comes first. Of each width there is the greatest height that the area leaves.
    """
    square = side // step * step
    sizes = [(square, square)]
    for width in range(step, int(side * math.sqrt(_LONGEST)) + 1, step):
        height = side * side // width // step * step
        if height and max(width, height) <= _LONGEST * min(width, height) and (width, height) not in sizes:
            sizes.append((width, height))
    return sizes


def nearest(sizes: Sequence[Size], width: int, height: int) -> Size:
    """The size whose shape is nearest to that of a picture; the first of several."""
    return min(sizes, key=lambda size: abs(math.log(size[0] / size[1] * height / width)))


class Batches:
    """An endless shuffled run of batches, each from one of several groups of examples.

    In each epoch every example comes once; the last batch of a group is filled up from its beginning.
    """

    def __init__(self, groups: Sequence[NDArray[np.int64]], seed: int) -> None:
        self._groups, self._seed = groups, seed
        self._epoch = lru_cache(maxsize=2)(self._made)

    def at(self, number: int, size: int) -> NDArray[np.int64]:
        """The examples of batch `number`, of `size` examples, when all batches are of this size."""
        count = sum(-(-len(group) // size) for group in self._groups)
        return self._epoch(number // count, size)[number % count]

    def _made(self, epoch: int, size: int) -> list[NDArray[np.int64]]:
        rng = np.random.Generator(np.random.SFC64([self._seed, epoch]))
        batches: list[NDArray[np.int64]] = []
        for group in self._groups:
            shuffled = rng.permutation(group)
            count = -(-len(group) // size)
            batches += np.split(np.resize(shuffled, count * size), count)
        return [batches[k] for k in rng.permutation(len(batches))]
