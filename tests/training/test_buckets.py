"""Buckets: sizes of one area, batches of one size, every example once an epoch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limner.training.buckets import Batches, bucket_sizes, nearest


@given(st.integers(1, 32), st.sampled_from([8, 32, 64]))
def test_sizes_are_whole_small_enough_and_not_too_long(cells: int, step: int) -> None:
    side = cells * step
    sizes = bucket_sizes(side, step)
    assert sizes[0] == (side, side) and len(set(sizes)) == len(sizes)
    for width, height in sizes:
        assert width % step == height % step == 0 < width
        assert width * height <= side * side and max(width, height) <= 2 * min(width, height)
    found = {(width, _highest(width, cells)) for width in range(1, 2 * cells + 1)}
    assert set(sizes) == {(w * step, h * step) for w, h in found if h and max(w, h) <= 2 * min(w, h)}


def _highest(width: int, cells: int) -> int:
    """The greatest height in steps that cells x cells leave for a width."""
    return max((height for height in range(1, cells**2 + 1) if width * height <= cells**2), default=0)


def test_sizes_of_stable_diffusion() -> None:
    sizes = bucket_sizes(512, 64)
    assert {(512, 512), (448, 576), (576, 448), (384, 640), (640, 384), (704, 320)} - set(sizes) == {
        (704, 320)
    }
    assert nearest(sizes, 3000, 2000) == (640, 384) and nearest(sizes, 800, 1000) == (448, 576)
    assert nearest(sizes, 10, 4000) == min(sizes, key=lambda size: size[0] / size[1])


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 9),
)
def test_batches_are_of_one_group_and_miss_nobody(
    counts: list[int], size: int, epoch: int, seed: int
) -> None:
    ends = np.cumsum([0, *counts])
    groups = [np.arange(first, last) for first, last in pairwise(ends)]
    batches = Batches(groups, seed)
    count = sum(-(-n // size) for n in counts)
    drawn = [batches.at(epoch * count + k, size) for k in range(count)]
    for batch in drawn:
        assert len(batch) == size
        assert len({int(np.searchsorted(ends, one, "right")) for one in batch}) == 1
    assert set(np.concatenate(drawn)) == set(range(int(ends[-1])))


def test_epochs_have_orders_of_their_own() -> None:
    batches = Batches([np.arange(40)], 1)
    first, second = (np.concatenate([batches.at(10 * e + k, 4) for k in range(10)]) for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(40)) and list(first) != list(second)
