from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from limner.data import check_set, read_set, write_storybook
from limner.data import storybook as module
from limner.errors import InvalidInput, NotFound, Unavailable
from limner.storybook.layout import Drawings
from limner.storybook.render import render


def _content(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def test_it_is_an_ordinary_captioned_set(tmp_path: Path) -> None:
    out = write_storybook(tmp_path / "set", 12, 64, 3)
    report = check_set(out)
    assert (report.pictures, report.captions, report.must_mend) == (12, 60, ())
    for index, item in enumerate(read_set(out).items):
        drawn = render(3, index, 64)
        assert item.file.name == f"{index:06d}.png"
        assert len(set(item.captions)) == 5
        assert (np.asarray(Image.open(item.file)) == np.asarray(drawn.image)).all()
        assert item.mask is not None
        mask = np.asarray(Image.open(item.mask))
        for k, shown in enumerate(drawn.masks, 1):
            assert ((mask == k) == shown).all()
        assert len(item.attributes["subjects"]) == len(drawn.masks)
        assert item.attributes["scene"]["place"] == drawn.scene.place
        assert item.attributes["scene"]["things"][0]["colour"] == drawn.scene.things[0].colour


def test_creatures_are_a_set_of_their_own(tmp_path: Path) -> None:
    out = write_storybook(tmp_path / "set", 6, 48, 3, world="creatures")
    report = check_set(out)
    assert (report.pictures, report.captions, report.must_mend) == (6, 30, ())
    for item in read_set(out).items:
        assert item.mask is not None
        mask = np.asarray(Image.open(item.mask))
        assert set(np.unique(mask)) == {0, 1}
        assert item.attributes["subjects"][0]["subject"] == item.attributes["scene"]["body"]
    with pytest.raises(InvalidInput, match="holds creatures of seed 3 at 48 px"):
        write_storybook(out, 6, 48, 3)
    with pytest.raises(NotFound, match="known: scenes, creatures, birds"):
        write_storybook(tmp_path / "other", 6, 48, 3, world="dragons")


@pytest.mark.parametrize("drawings", ["one", "still"])
def test_fewer_drawings_of_each_kind(tmp_path: Path, drawings: Drawings) -> None:
    """The same scenes in the same places, each kind at rest, perhaps in its first drawing; no folder holds both."""
    out = write_storybook(tmp_path / "one", 12, 64, 3, drawings=drawings)
    for index, item in enumerate(read_set(out).items):
        drawn = render(3, index, 64, drawings=drawings)
        assert (np.asarray(Image.open(item.file)) == np.asarray(drawn.image)).all()
        told, various = item.attributes["subjects"], render(3, index, 64).placed
        assert {(each["pose"], each["mirrored"]) for each in told} == {(0.0, False)}
        assert [each["drawing"] for each in told] == [one.drawing * (drawings == "still") for one in various]
        assert [each["frame"] for each in told] == [list(one.frame) for one in various]
    with pytest.raises(InvalidInput, match=f"drawings {drawings}"):
        write_storybook(out, 12, 64, 3)
    with pytest.raises(InvalidInput, match="draw scenes"):
        write_storybook(tmp_path / "two", 12, 64, 3, world="birds", drawings=drawings)


def test_drawings_by_no_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="drawings 'two' not found; known: all, still, one"):
        write_storybook(tmp_path / "two", 12, 64, 3, drawings=cast("Drawings", "two"))


def test_workers_draw_what_one_process_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 5)
    pooled = write_storybook(tmp_path / "pooled", 12, 32, 3)
    monkeypatch.setattr(module, "_CHUNK", 64)
    assert _content(pooled) == _content(write_storybook(tmp_path / "alone", 12, 32, 3))


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupted_writing_goes_on(tmp_path: Path) -> None:
    whole = _content(write_storybook(tmp_path / "whole", 14, 32, 3))
    out = tmp_path / "broken off"

    def stop(done: int, count: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_storybook(out, 14, 32, 3, stop)
    kept = (out / "images" / "000000.png").stat().st_mtime_ns
    seen: list[int] = []
    write_storybook(out, 14, 32, 3, _append(seen))
    assert seen[1:] == [12, 14]
    assert (out / "images" / "000000.png").stat().st_mtime_ns == kept
    assert _content(out) == whole


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("layout", ["captioned", "cub"])
def test_fewer_pictures_after_an_interruption_leave_nothing_over(layout: str, tmp_path: Path) -> None:
    def stop(done: int, count: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    out = tmp_path / "broken off"
    with pytest.raises(KeyboardInterrupt):
        write_storybook(out, 14, 32, 3, stop, "birds", layout)
    write_storybook(out, 5, 32, 3, None, "birds", layout)
    assert _content(out) == _content(write_storybook(tmp_path / "whole", 5, 32, 3, None, "birds", layout))


def _append(seen: list[int]) -> Callable[[int, int], None]:
    return lambda done, count: seen.append(done)


@pytest.mark.usefixtures("small_chunks")
def test_a_larger_count_adds(tmp_path: Path) -> None:
    out = write_storybook(tmp_path / "grown", 6, 32, 3)
    write_storybook(out, 11, 32, 3)
    assert _content(out) == _content(write_storybook(tmp_path / "whole", 11, 32, 3))
    with pytest.raises(InvalidInput, match="already holds 11"):
        write_storybook(out, 6, 32, 3)


@pytest.mark.usefixtures("small_chunks")
def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(InvalidInput, match="not empty"):
        write_storybook(tmp_path, 4, 32, 3)
    assert _content(tmp_path).keys() == {"letter.txt"}
    out = write_storybook(tmp_path / "set", 4, 32, 3)
    before = _content(out)
    for size, seed in ((64, 3), (32, 4)):
        with pytest.raises(InvalidInput, match="seed 3 at 32 px"):
            write_storybook(out, 4, size, seed)
    label = json.loads((out / "storybook.json").read_text("utf-8"))
    (out / "storybook.json").write_text(json.dumps({**label, "drawn_by": "an older one"}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="another version"):
        write_storybook(out, 8, 32, 3)
    assert write_storybook(out, 4, 32, 3) == out
    assert {**_content(out), "storybook.json": ""} == {**before, "storybook.json": ""}


@pytest.mark.parametrize(
    ("count", "size", "seed"), [(0, 64, 0), (4, 8, 0), (4, 4096, 0), (4, 64, -1), (4, 64, 2**32)]
)
def test_numbers_out_of_range_are_named(tmp_path: Path, count: int, size: int, seed: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        write_storybook(tmp_path / "set", count, size, seed)
    assert str(caught.value.field) in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("a file", encoding="utf-8")
    with pytest.raises(Unavailable, match="set"):
        write_storybook(tmp_path / "set", 4, 32, 3)
