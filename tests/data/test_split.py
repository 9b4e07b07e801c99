from __future__ import annotations

import random

import numpy as np
import pytest

from limner.data import Item, split
from limner.data.duplicates import MAX_BITS, MAX_DIFFERENCE, Signature, groups_of, signature_of
from limner.errors import InvalidInput
from limner.storybook.render import render
from tests.data.pictures import picture


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    """Thirty pictures; the first ten have a smaller, recompressed twin each."""
    folder = tmp_path_factory.mktemp("set")
    found = []
    for k in range(30):
        picture(k).save(folder / f"{k}.png")
        found.append(Item(folder / f"{k}.png", (f"picture {k}",), None, {}))
        if k < 10:
            picture(k).resize((80, 80)).save(folder / f"{k}-twin.jpg", quality=60)
            found.append(Item(folder / f"{k}-twin.jpg", (f"twin {k}",), None, {}))
    return found


def _number(item: Item) -> str:
    return item.file.stem.removesuffix("-twin")


def test_twins_stay_together_and_nothing_is_lost(items: list[Item]) -> None:
    for seed in range(5):
        train, held_out = split(items, 0.25, seed)
        assert sorted(map(id, (*train, *held_out))) == sorted(map(id, items))
        assert len(held_out) == 10
        assert not {_number(item) for item in train} & {_number(item) for item in held_out}


def test_the_seed_decides_and_the_order_does_not(items: list[Item]) -> None:
    shuffled = items.copy()
    random.Random(0).shuffle(shuffled)
    first, again, other = (split(*call)[1] for call in ((items, 0.2, 1), (shuffled, 0.2, 1), (items, 0.2, 2)))
    assert {item.file for item in first} == {item.file for item in again} != {item.file for item in other}


def test_what_cannot_be_split(items: list[Item]) -> None:
    for share in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InvalidInput, match="held_out"):
            split(items, share, 0)
    with pytest.raises(InvalidInput, match="cannot be split"):
        split(items[:2], 0.5, 0)


def test_small_sets_hold_out_one_group(items: list[Item]) -> None:
    assert len(split(items[-5:], 0.01, 0)[1]) == 1
    assert len(split(items[:4], 0.01, 0)[1]) == 2


def test_groups_are_those_of_comparing_all_pairs() -> None:
    rng = np.random.default_rng(0)
    signatures = []
    for _ in range(1200):
        base = int(rng.integers(0, 40))
        bits = (base * 0x9E3779B97F4A7C15) % 2**64
        for flip in rng.integers(0, 64, int(rng.integers(0, 14))):
            bits ^= 1 << int(flip)
        signatures.append(Signature(bits, np.full((16, 16, 3), 6 * int(rng.integers(0, 40)), np.uint8)))
    wanted = _slow_groups(signatures)
    assert sorted(map(sorted, groups_of(signatures))) == sorted(map(sorted, wanted))
    assert 1 < len(wanted) < 1200


def _slow_groups(signatures: list[Signature]) -> list[set[int]]:
    groups: list[set[int]] = []
    for k, one in enumerate(signatures):
        linked = [group for group in groups if any(_alike(one, signatures[j]) for j in group)]
        groups = [group for group in groups if group not in linked]
        groups.append({k}.union(*linked))
    return groups


def _alike(a: Signature, b: Signature) -> bool:
    if (a.bits ^ b.bits).bit_count() > MAX_BITS:
        return False
    return int(np.abs(a.thumbnail.astype(int) - b.thumbnail.astype(int)).max()) <= MAX_DIFFERENCE


def test_scenes_of_storybook_are_not_taken_for_duplicates() -> None:
    signatures = [signature_of(render(5, k, 64).image) for k in range(150)]
    assert len(groups_of(signatures)) == 150
