"""The order of examples: every epoch shows each once, from any place, the same every time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from limner.data.arrays import picture_arrays
from limner.data.captioned import Item
from limner.data.subjects import drawn_subjects, placing, shown_subjects, subject_names, subjects_in
from limner.pictures import PictureError
from limner.training.pictures import mingled, order


@given(st.integers(1, 50), st.integers(0, 9), st.integers(0, 200), st.integers(1, 40))
def test_any_stretch_is_part_of_one_endless_run(count: int, seed: int, first: int, size: int) -> None:
    run = np.concatenate(
        [order(count, seed, epoch * count, count) for epoch in range((first + size) // count + 1)]
    )
    assert np.array_equal(order(count, seed, first, size), run[first : first + size])


@given(st.integers(1, 50), st.integers(0, 9), st.integers(0, 20))
def test_an_epoch_shows_each_example_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(order(count, seed, epoch * count, count)) == list(range(count))


@given(st.integers(1, 30), st.integers(1, 8), st.floats(0, 1), st.integers(0, 99), st.integers(1, 40))
def test_some_examples_come_at_their_share_of_the_places(
    count: int, many: int, share: float, first: int, size: int
) -> None:
    some = np.arange(100, 100 + many)
    run = mingled(count, some, share, 3, 0, first + size)
    assert np.array_equal(mingled(count, some, share, 3, first, size), run[first:])
    of_some, others = run[run >= 100], run[run < 100]
    assert len(of_some) == int(np.floor((first + size) * share))
    assert np.array_equal(of_some, some[order(many, 3, 0, len(of_some))])
    assert np.array_equal(others, order(count, 3, 0, len(others)))


def test_without_any_of_them_all_are_taken() -> None:
    assert np.array_equal(mingled(9, np.arange(0), 0.5, 3, 4, 20), order(9, 3, 4, 20))


def _item(folder: Path, k: int, subjects: list[str]) -> Item:
    """A picture of one tone; the left half of its mask is 1, a strip at the bottom is 2."""
    Image.new("RGB", (96, 64), (40 * k, 10, 20)).save(folder / f"{k}.png")
    mask = Image.new("L", (96, 64))
    mask.paste(1, (0, 0, 48, 64))
    mask.paste(2, (0, 56, 96, 64))
    mask.save(folder / f"m{k}.png")
    told = {"subjects": [{"subject": name} for name in subjects]} if subjects else {}
    return Item(folder / f"{k}.png", ("a square",), folder / f"m{k}.png" if subjects else None, told)


def test_pictures_and_subjects_are_read_once(tmp_path: Path) -> None:
    items = [_item(tmp_path, 0, []), _item(tmp_path, 1, ["dog", "cat"]), _item(tmp_path, 4, ["cat", "dog"])]
    names = subject_names(items)
    arrays = picture_arrays(items, 32, tmp_path / "cache", names)
    assert names == arrays.names == ("subject", "cat", "dog")
    assert arrays.pictures.shape == (3, 32, 32, 3) and arrays.subjects.shape == (3, 32, 32)
    assert arrays.pictures[2, 0, 0].tolist() == [160, 10, 20]
    assert not arrays.subjects[0].any()
    assert (arrays.subjects[1][:20, :14] == 3).all() and not arrays.subjects[1][:20, 18:].any()
    assert (arrays.subjects[1][30:] == 2).all() and (arrays.subjects[2][30:] == 3).all()
    assert np.isnan(arrays.placings[0]).all() and np.isnan(arrays.placings[1, 2:]).all()
    assert arrays.placings[1, :2, 8:11] == pytest.approx(np.array([[40, 10, 20]] * 2) / 255, abs=1e-3)
    # the middle square of 96 x 64 pixels is left at 16: the first subject is half of the rest, above the second
    assert arrays.placings[1, 0, :8].tolist() == pytest.approx([0, 0, 0.5, 0.875, 3, 0, 0, 1])
    assert arrays.placings[1, 1, :8].tolist() == pytest.approx([0, 0.875, 1, 1, 2, 0, 0, 1])
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "cache").iterdir()}
    picture_arrays(items, 32, tmp_path / "cache", names)
    assert before == {f: f.stat().st_mtime_ns for f in (tmp_path / "cache").iterdir()}


def test_a_disk_without_room_for_all_is_told_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, first: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left") as raised:
        picture_arrays([_item(tmp_path, 0, [])], 32, tmp_path / "cache", ())
    assert str(tmp_path / "cache") in str(raised.value.filename)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("told", [3, "cat", ["cat"], [{"name": "cat"}], [{"subject": None}], None])
def test_subjects_that_are_not_named_are_of_one_kind(tmp_path: Path, told: object) -> None:
    item = _item(tmp_path, 1, ["cat", "dog"])
    item = Item(item.file, item.captions, item.mask, {"subjects": told})
    names = subject_names([item])
    arrays = picture_arrays([item], 32, tmp_path / "cache", names)
    assert names == ("subject",) and set(np.unique(arrays.subjects)) == {0, 1}


def test_without_names_nothing_is_told_of_subjects_but_where_they_are_seen(tmp_path: Path) -> None:
    item = _item(tmp_path, 1, ["cat"])
    told = {"subject": "cat", "frame": [0.1, 0.1, 0.9, 0.9], "mirrored": True, "pose": 0.5}
    item = Item(item.file, item.captions, item.mask, {"subjects": [told]})
    picture = np.full((64, 96, 3), (255, 51, 0), np.uint8)
    (_, seen), (_, said) = (shown_subjects(item, names, picture) for names in ((), ("subject", "cat")))
    assert seen[0] == pytest.approx([0, 0, 0.5, 0.875, 1, 0, 0, 1, 1, 0.2, 0, 0])
    assert said[0] == pytest.approx([0.1, 0.1, 0.9, 0.9, 2, 0, 0.5, -1, 1, 0.2, 0, 0])


def test_a_frame_is_told_of_the_whole_picture_of_which_the_middle_is_seen(tmp_path: Path) -> None:
    """A square of 64 out of 128 x 64 pixels: shares of the width count double, from the edge of the cut on."""
    mask = np.zeros((64, 128), np.uint8)
    mask[16:48, 48:80] = 1
    for name, pixels in (("a.png", 3 * mask), ("mask.png", mask)):
        Image.fromarray(pixels).save(tmp_path / name)
    frame, part = [0.375, 0.25, 0.625, 0.75], {"subject": "ear", "frame": [0.375, 0.25, 0.4375, 0.5]}
    told = {"subject": "cat", "frame": frame, "parts": [part, "nose"]}
    item = Item(tmp_path / "a.png", ("a cat",), tmp_path / "mask.png", {"subjects": [told]})
    picture = np.zeros((32, 32, 3), np.uint8)
    _, placings = shown_subjects(item, ("subject", "cat", "ear"), picture)
    assert placings[0, :5] == pytest.approx([0.25, 0.25, 0.75, 0.75, 2])
    assert placings[1, :5] == pytest.approx([0.25, 0.25, 0.375, 0.5, 3]) and np.isnan(placings[2:]).all()


def test_of_many_values_of_a_mask_the_largest_count() -> None:
    mask = np.zeros((16, 32), np.uint8)
    mask[0, :20], mask[4:, :] = np.arange(1, 21), 255  # an edge that was smoothed, and what it is the edge of
    _, placings = subjects_in(mask, np.zeros((16, 32, 3), np.uint8), [], [], ())
    assert placings[:8, 1].tolist() == [0] * 7 + [0.25]


def test_the_colour_of_a_subject_is_the_median_of_what_is_seen_of_it() -> None:
    mask, picture = np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.uint8)
    mask[:, :3], mask[:, 3:] = 1, 2
    picture[:, :3], picture[:, 3:] = (255, 0, 0), (0, 0, 255)
    picture[0, :3] = 255  # a stripe of another colour, less than half of it
    kinds, placings = subjects_in(mask, picture, ["cat", "dog"], [], ("subject", "dog"))
    assert np.unique(kinds[:, :3]) == 1 and np.unique(kinds[:, 3:]) == 2
    assert placings[:2, 8:].tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]] and np.isnan(placings[2:]).all()


def test_parts_come_after_the_subjects_with_the_colour_of_their_own_pixels() -> None:
    mask, picture = np.ones((4, 8), np.uint8), np.zeros((4, 8, 3), np.uint8)
    mask[:, 6:] = 2
    picture[:2, :2] = (255, 0, 0)
    parts = [
        {"subject": "ear", "frame": [0, 0, 0.25, 0.5], "drawing": 1},
        {"subject": "tail"},  # nobody knows where
        {"subject": "paw", "frame": [0.75, 0, 1, 1]},  # where the other one is seen
        "nose",
    ]
    names = ("subject", "cat", "ear")
    _, placings = subjects_in(mask, picture, ["cat", "dog"], [{"parts": parts}, {"parts": 3}], names)
    assert placings[:2, 4].tolist() == [2, 1] and placings[:2, -1].tolist() == [0, 0]
    assert placings[2].tolist() == pytest.approx([0, 0, 0.25, 0.5, 3, 1, 0, 1, 1, 0, 0, 1])
    assert np.isnan(placings[3:]).all()


def test_the_parts_of_subjects_are_kinds_too(tmp_path: Path) -> None:
    item = _item(tmp_path, 1, ["cat"])
    told = {"subject": "cat", "parts": [{"subject": "ear", "frame": [0, 0, 1, 1]}, {"subject": "tail"}]}
    items = [Item(item.file, item.captions, item.mask, {"subjects": [told]})]
    assert subject_names(items) == ("subject", "cat", "ear") and drawn_subjects(items[0]) == ["cat"]


def test_a_mask_past_the_named_subjects_is_still_a_subject(tmp_path: Path) -> None:
    items = [_item(tmp_path, 1, ["cat"]), _item(tmp_path, 2, ["cat", "unheard of"])]
    arrays = picture_arrays(items, 32, tmp_path / "cache", subject_names(items[:1]))
    assert arrays.names == ("subject", "cat")
    assert (arrays.subjects[:, 30:] == 1).all() and (arrays.subjects[:, :20, :14] == 2).all()


def test_a_changed_mask_is_read_again(tmp_path: Path) -> None:
    item = _item(tmp_path, 1, ["cat"])
    first = picture_arrays([item], 32, tmp_path / "cache", ("subject", "cat"))
    Image.new("L", (96, 64)).save(tmp_path / "m1.png")
    again = picture_arrays([item], 32, tmp_path / "cache", ("subject", "cat"))
    assert first.subjects.any() and not again.subjects.any() and first.identity != again.identity


def test_a_broken_mask_is_named(tmp_path: Path) -> None:
    item = _item(tmp_path, 1, ["cat"])
    (tmp_path / "m1.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"m1\.png"):
        picture_arrays([item], 32, tmp_path / "cache", ("subject", "cat"))


def test_a_picture_is_what_lies_in_its_box(tmp_path: Path) -> None:
    whole = _item(tmp_path, 0, [])
    image = Image.open(whole.file)
    image.paste((250, 250, 250), (60, 0, 96, 64))
    image.save(whole.file)
    boxed = Item(whole.file, whole.captions, None, {}, (64, 0, 200, 32), "train")
    arrays = picture_arrays([boxed], 32, tmp_path / "cache", ())
    assert (arrays.pictures == 250).all()
    assert picture_arrays([whole], 32, tmp_path / "cache", ()).pictures.min() < 20


def test_what_a_set_tells_of_a_subject_is_how_it_stands() -> None:
    told = {"frame": [0.1, 0.2, 0.5, 0.6], "drawing": 2, "pose": -0.5, "mirrored": True}
    assert placing(told, 4, (0.0, 0.0, 1.0, 1.0)) == (0.1, 0.2, 0.5, 0.6, 4.0, 2.0, -0.5, -1.0)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"frame": None, "drawing": None, "pose": None, "mirrored": None},
        {"frame": [0.5, 0.5, 0.5, 0.9], "drawing": -3, "pose": "left", "mirrored": 1},
        {"frame": [0, 1], "drawing": float("nan")},
        {"frame": [0, 0, float("inf"), 1], "pose": float("nan")},
        {"frame": "abcd", "drawing": "two"},
    ],
)
def test_what_is_not_told_or_makes_no_sense_is_as_seen(told: dict[str, object]) -> None:
    assert placing(told, 1, (0.0, 0.25, 0.5, 1.0)) == (0.0, 0.25, 0.5, 1.0, 1.0, 0.0, 0.0, 1.0)
