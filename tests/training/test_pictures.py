"""The order of examples: every epoch shows each once, from any place, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from limner.data.captioned import Item
from limner.training.pictures import order, picture_arrays


@given(st.integers(1, 50), st.integers(0, 9), st.integers(0, 200), st.integers(1, 40))
def test_any_stretch_is_part_of_one_endless_run(count: int, seed: int, first: int, size: int) -> None:
    run = np.concatenate(
        [order(count, seed, epoch * count, count) for epoch in range((first + size) // count + 1)]
    )
    assert np.array_equal(order(count, seed, first, size), run[first : first + size])


@given(st.integers(1, 50), st.integers(0, 9), st.integers(0, 20))
def test_an_epoch_shows_each_example_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(order(count, seed, epoch * count, count)) == list(range(count))


def test_pictures_and_masks_are_read_once(tmp_path: Path) -> None:
    items = []
    for k in range(5):
        Image.new("RGB", (96, 64), (40 * k, 10, 20)).save(tmp_path / f"{k}.png")
        mask = Image.new("L", (96, 64))
        mask.paste(k, (0, 0, 48, 64))
        mask.save(tmp_path / f"m{k}.png")
        items.append(
            Item(tmp_path / f"{k}.png", ("a square",), tmp_path / f"m{k}.png" if k != 2 else None, {})
        )
    arrays = picture_arrays(items, 32, tmp_path / "cache")
    assert arrays.pictures.shape == (5, 32, 32, 3) and arrays.masks.shape == (5, 32, 32)
    assert arrays.pictures[4, 0, 0].tolist() == [160, 10, 20]
    assert not arrays.masks[0].any() and not arrays.masks[2].any()
    assert arrays.masks[3][:, :14].all() and not arrays.masks[3][:, 18:].any()
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "cache").iterdir()}
    picture_arrays(items, 32, tmp_path / "cache")
    assert before == {f: f.stat().st_mtime_ns for f in (tmp_path / "cache").iterdir()}
