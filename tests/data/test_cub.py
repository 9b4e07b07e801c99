"""CUB as it is downloaded: crops, parts, captions and classes; what is amiss is named; hostile pickles run nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.data import check_set, load_picture, read_set, split, write_storybook
from limner.errors import InvalidInput
from tests.data.pictures import picture

NAMES = ("001.Gull/Gull_0001", "001.Gull/Gull_0002", "002.Wren/Wren_0001")
BOXES = ("20.0 30.0 40.0 24.0", "0.0 0.0 96.0 96.0", "60.0 60.0 20.0 30.0")


def python_2(names: tuple[str, ...]) -> bytes:
    """What Python 2 writes for a list of its byte strings."""
    items = b"".join(
        b"U" + bytes([len(name)]) + name.encode() + b"q" + bytes([k + 1]) for k, name in enumerate(names)
    )
    return b"\x80\x02]q\x00(" + items + b"e."


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    """Three pictures, the last for testing, laid out as people have them, with strings of Python 2."""
    home, about = tmp_path / "CUB_200_2011", tmp_path / "birds"
    for k, name in enumerate(NAMES):
        file = home / "images" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(k).save(file, quality=95)
        text = about / "text" / f"{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(f"this bird is number {k}\n\nthe bird has {k} wings \n", encoding="utf-8")
    home.joinpath("images.txt").write_text(
        "".join(f"{k} {name}.jpg\n" for k, name in enumerate(NAMES, 1)), encoding="utf-8"
    )
    home.joinpath("bounding_boxes.txt").write_text(
        "".join(f"{k} {box}\n" for k, box in enumerate(BOXES, 1)), encoding="utf-8"
    )
    home.joinpath("image_class_labels.txt").write_text("1 1\n2 1\n3 2\n", encoding="utf-8")
    home.joinpath("train_test_split.txt").write_text("1 0\n2 1\n3 1\n", encoding="utf-8")
    for part, names in (("train", NAMES[:2]), ("test", NAMES[2:])):
        (about / part).mkdir()
        (about / part / "filenames.pickle").write_bytes(python_2(names))
        (about / part / "class_info.pickle").write_bytes(pickle.dumps([int(name[:3]) for name in names], 2))
    return tmp_path


def test_it_is_read_as_a_captioned_set(cub: Path) -> None:
    items = read_set(cub).items
    assert [item.file.relative_to(cub).as_posix() for item in items] == [
        f"CUB_200_2011/images/{name}.jpg" for name in NAMES
    ]
    assert items[1].captions == ("this bird is number 1", "the bird has 1 wings")
    assert [item.attributes for item in items] == [
        {"class": name.split("/")[0], "class_id": int(name[:3])} for name in NAMES
    ]
    train, held_out = split(items, 0.5, 0)
    assert (train, held_out) == (items[:2], items[2:])
    report = check_set(cub)
    assert (report.pictures, report.captions, report.must_mend) == (3, 6, ())


def test_the_crop_is_a_square_about_the_box_as_far_as_the_picture_reaches(cub: Path) -> None:
    first, second, third = read_set(cub).items
    # half-side 0.75 * 40 about (40, 42); 0.75 * 96 about (48, 48); int(0.75 * 30) about (70, 75)
    assert [first.box, second.box, third.box] == [(10, 12, 70, 72), (-24, -24, 120, 120), (48, 53, 92, 97)]
    for item, box in ((first, (10, 12, 70, 72)), (second, (0, 0, 96, 96))):
        expected = Image.open(item.file).crop(box).resize((32, 32), Image.Resampling.LANCZOS)
        assert (load_picture(item.file, 32, box=item.box) == np.asarray(expected)).all()
    with pytest.raises(InvalidInput, match=r"96 x 96 pixels, and its box \(100, 0, 120, 9\) lies beside"):
        load_picture(first.file, 32, box=(100, 0, 120, 9))


def test_all_in_one_folder_or_without_pickles_is_read_too(cub: Path) -> None:
    whole = read_set(cub)
    (cub / "CUB_200_2011").rename(cub / "birds" / "CUB_200_2011")
    moved = read_set(cub / "birds")
    assert [item.box for item in moved.items] == [item.box for item in whole.items]
    assert [item.captions for item in read_set(cub).items] == [item.captions for item in whole.items]
    for part in ("train", "test"):
        for file in (cub / "birds" / part).iterdir():
            file.unlink()
    items = read_set(cub).items  # CUB's own split now
    assert [(item.file.stem, item.part) for item in items] == [
        ("Gull_0002", "train"), ("Wren_0001", "train"), ("Gull_0001", "test")
    ]  # fmt: skip
    assert [item.attributes["class_id"] for item in items] == [1, 2, 1]


def test_captions_come_from_the_pickle_where_there_is_no_text(cub: Path) -> None:
    (cub / "birds" / "text").rename(cub / "elsewhere")
    words = {0: "<end>", 1: "a", 2: "bird"}
    rows = [[1, 2]] * 9 + [[2]]
    file = cub / "birds" / "captions.pickle"
    file.write_bytes(pickle.dumps([rows * 2, rows, words, {word: k for k, word in words.items()}], 2))
    assert read_set(cub).items[2].captions == (*["a bird"] * 9, "bird")
    file.write_bytes(pickle.dumps([rows, rows, words, {}], 2))
    with pytest.raises(InvalidInput, match="10 captions to train with, not 10 for each of 2"):
        read_set(cub)
    file.write_bytes(pickle.dumps([rows * 2, rows, words | {2: ["bird"]}, {}], 2))
    with pytest.raises(InvalidInput, match=r"must be .*number to word"):
        read_set(cub)
    file.unlink()
    with pytest.raises(InvalidInput, match=r"neither text nor captions\.pickle"):
        read_set(cub)


class Exploit:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["train/filenames", "test/class_info", "captions"])
def test_a_hostile_pickle_is_refused_and_runs_nothing(cub: Path, name: str, protocol: int) -> None:
    place = cub / "made by the pickle"
    (cub / "birds" / f"{name}.pickle").write_bytes(pickle.dumps([Exploit(place)], protocol))
    if name == "captions":
        (cub / "birds" / "text").rename(cub / "elsewhere")
    with pytest.raises(InvalidInput, match=rf"{name}\.pickle' is refused: .*mkdir") as caught:
        read_set(cub)
    assert "\n" not in str(caught.value)
    (finding,) = check_set(cub).must_mend[:1]
    assert finding.kind == "metadata" and "is refused" in finding.detail
    assert not place.exists()


def test_classes_as_an_array_are_refused_with_the_way_out(cub: Path) -> None:
    file = cub / "birds" / "train" / "class_info.pickle"
    file.write_bytes(pickle.dumps(np.arange(2), 2))
    with pytest.raises(InvalidInput, match=r"without the file, image_class_labels\.txt says the classes"):
        read_set(cub)
    file.unlink()
    assert [item.attributes["class_id"] for item in read_set(cub).items] == [1, 1, 2]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("CUB_200_2011/bounding_boxes.txt", "1 2 3\n", "must be a number and x y width height"),
        ("CUB_200_2011/bounding_boxes.txt", "", "no line in bounding_boxes.txt"),
        ("CUB_200_2011/images.txt", "1 ../../secret.jpg\n", "must be a picture inside the folder"),
        ("CUB_200_2011/images.txt", "", "is not in CUB_200_2011/images.txt"),
        ("birds/train/filenames.pickle", "gibberish", "is broken, or no pickle"),
        (f"birds/text/{NAMES[0]}.txt", "\n", "no caption"),
    ],
)
def test_what_is_amiss_is_named(cub: Path, file: str, content: str, said: str) -> None:
    (cub / file).write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=said) as caught:
        read_set(cub)
    assert "\n" not in str(caught.value)
    assert any(said in finding.detail for finding in check_set(cub).must_mend)


def test_a_picture_that_is_not_there_is_named(cub: Path) -> None:
    (cub / "CUB_200_2011" / "images" / f"{NAMES[0]}.jpg").unlink()
    with pytest.raises(InvalidInput, match=r"Gull_0001\.jpg' is not there"):
        read_set(cub)
    assert [finding.kind for finding in check_set(cub).must_mend] == ["no picture"]


def test_storybook_writes_it_and_adds_to_it(tmp_path: Path) -> None:
    out = write_storybook(tmp_path / "set", 6, 64, 3, world="birds", layout="cub")
    write_storybook(out, 9, 64, 3, world="birds", layout="cub")
    whole = write_storybook(tmp_path / "whole", 9, 64, 3, world="birds", layout="cub")
    written, once = (
        {file.relative_to(root): file.read_bytes() for file in root.rglob("*") if file.is_file()}
        for root in (out, whole)
    )
    assert written == once
    report = check_set(out)
    assert (report.pictures, report.captions, report.must_mend) == (9, 90, ())
    items = read_set(out).items
    assert [len(part) for part in split(items, 0.1, 0)] == [7, 2]
    for item in items:
        graph = item.attributes["scene"]
        assert item.attributes["class"].lower().endswith(f"{graph['body']}_{graph['colour']}_bird")
        assert int(item.attributes["class"][:3]) == item.attributes["class_id"]
    # The pickle says the same as the text files, to those who cannot read them.
    (out / "birds" / "text").rename(tmp_path / "text")
    for item, again in zip(items[:7], read_set(out).items, strict=False):
        assert tuple(text.replace(",", "").replace("-", " ") for text in item.captions) == again.captions


def test_the_layout_is_for_birds_and_of_one_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="layout cub is for the world birds, not scenes"):
        write_storybook(tmp_path / "set", 2, 32, 0, layout="cub")
    with pytest.raises(InvalidInput, match="known: captioned, cub"):
        write_storybook(tmp_path / "set", 2, 32, 0, world="birds", layout="coco")
    out = write_storybook(tmp_path / "set", 2, 32, 0, world="birds")
    with pytest.raises(InvalidInput, match="holds birds of seed 0 at 32 px in the layout captioned"):
        write_storybook(out, 2, 32, 0, world="birds", layout="cub")
