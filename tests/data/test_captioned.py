from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data import read_set
from limner.data.metadata import Entry, Fault, read_entries
from limner.errors import InvalidInput, NotFound
from tests.data.pictures import picture, write_jsonl

caption = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text
)
stem = st.text("abcxyz0189é日", min_size=1, max_size=12)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_jsonl_with_lists_masks_and_attributes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "mask.png"):
        picture(1).save(tmp_path / name)
    write_jsonl(
        tmp_path,
        {"file_name": "a.png", "text": "one"},
        "",
        {"file_name": "b.png", "text": ["one", " two "], "mask": "mask.png", "place": "sea", "n": 2},
    )
    first, second = read_set(tmp_path).items
    assert (first.file, first.captions, first.mask, first.attributes) == (
        tmp_path / "a.png",
        ("one",),
        None,
        {},
    )
    assert second.captions == ("one", "two")
    assert second.mask == tmp_path / "mask.png"
    assert second.attributes == {"place": "sea", "n": 2}


def test_csv_with_a_quoted_newline_a_list_and_a_byte_order_mark(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(1).save(tmp_path / name)
    rows = ('a.png,"a car,\nred",,street', 'b.png,"[""x"", ""y""]",a.png,', "c.png,[draft],,", "")
    (tmp_path / "metadata.csv").write_text(
        "\n".join(("\ufefffile_name,text,mask,place", *rows)), encoding="utf-8"
    )
    items = read_set(tmp_path).items
    assert [item.captions for item in items] == [("a car,\nred",), ("x", "y"), ("[draft]",)]
    assert [item.mask for item in items] == [None, tmp_path / "a.png", None]
    assert items[0].attributes == {"place": "street"}


def test_what_csv_tells_of_subjects_is_read_as_json(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    told, table = '"[{""subject"": ""cat"", ""pose"": 1}]"', tmp_path / "metadata.csv"
    table.write_text(
        f'file_name,text,subjects,scene\na.png,a cat,{told},"{{""place"": ""sea""}}"\n', encoding="utf-8"
    )
    (item,) = read_set(tmp_path).items
    assert item.attributes == {"subjects": [{"subject": "cat", "pose": 1}], "scene": {"place": "sea"}}
    table.write_text('file_name,text,subjects\na.png,a cat,"[{"\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"metadata\.csv:2: subjects is not valid JSON"):
        read_set(tmp_path)


def test_folders_behind_links_are_read_once(tmp_path: Path) -> None:
    behind, folder = tmp_path / "behind", tmp_path / "set"
    behind.mkdir()
    folder.mkdir()
    picture(1).save(behind / "a.png")
    (behind / "a.txt").write_text("a cat", encoding="utf-8")
    (folder / "photos").symlink_to(behind)
    (behind / "round").symlink_to(folder)  # leads back
    (item,) = read_set(folder).items
    assert item.file == folder / "photos" / "a.png"


def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    picture(1).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", name + b".png")
    Path(os.fsdecode(name + b".txt")).write_text("a cup", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"caf\\udce9.png: its name is not UTF-8; rename it"):
        read_set(tmp_path)


def test_text_files_beside_pictures_in_nested_folders(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    picture(1).save(tmp_path / "deep" / "b.jpg")
    picture(1).save(tmp_path / "a.PNG")
    picture(1).save(tmp_path / "._a.png")
    (tmp_path / "deep" / "b.txt").write_text("first\n\nsecond\n", encoding="utf-8")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa red apple\r\n")
    (tmp_path / "README.txt").write_text("about", encoding="utf-8")
    items = read_set(tmp_path).items
    assert [item.captions for item in items] == [("a red apple",), ("first", "second")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not valid JSON"),
        ("[1]", "must be an object"),
        ('{"text": "x"}', "file_name is missing"),
        ('{"file_name": 3, "text": "x"}', "file_name must be a file name"),
        ('{"file_name": "../a.png", "text": "x"}', "inside the folder"),
        ('{"file_name": "/etc/passwd", "text": "x"}', "inside the folder"),
        ('{"file_name": "a.png", "text": "x", "mask": "../m.png"}', "inside the folder"),
        ('{"file_name": "a.png", "text": 3}', "one caption or a list"),
        ('{"file_name": "a.png", "text": ["x", 3]}', "one caption or a list"),
        ('{"file_name": "a.png"}', "no caption"),
        ('{"file_name": "a.png", "text": []}', "no caption"),
        ('{"file_name": "a.png", "text": " "}', "an empty caption"),
        ('{"file_name": "a.png", "text": "\\ud800"}', "surrogate"),
        ('{"file_name": "gone.png", "text": "x"}', "'gone.png' is not there"),
        ('{"file_name": "a.png", "text": "x", "mask": "gone.png"}', "'gone.png' is not there"),
        ('{"file_name": "first.png", "text": "x"}', "already described at"),
        ('{"file_name": "a.png", "text": "x", "n": ' + "9" * 5000 + "}", "not usable JSON"),
        ("[" * 200_000, "not usable JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path: Path, line: str, words: str) -> None:
    for name in ("first.png", "a.png"):
        picture(1).save(tmp_path / name)
    write_jsonl(tmp_path, {"file_name": "first.png", "text": "x"}, "", line)
    with pytest.raises(InvalidInput, match=r"metadata\.jsonl:3: ") as caught:
        read_set(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "where", "words"),
    [
        (b"file,text\n", "csv:1", "header must name"),
        (b"file_name,text,text\n", "csv:1", "header must name"),
        (b"file_name,text\na.png,x\na.png\n", "csv:3", "1 columns where the header has 2"),
        (b'file_name,text\na.png,"x" y\n', "csv:2", "not valid CSV"),
        (b"file_name,text\na.png,\xff\n", "csv:2", "not UTF-8"),
        (b"file_name,text\na.png,\n", "csv:2", "an empty caption"),
        (b'file_name,text\na.png,"x', "csv:2", "not valid CSV"),
    ],
)
def test_a_bad_row_is_named_with_its_file_and_number(
    tmp_path: Path, table: bytes, where: str, words: str
) -> None:
    picture(1).save(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_bytes(table)
    with pytest.raises(InvalidInput) as caught:
        read_set(tmp_path)
    assert where in str(caught.value)
    assert words in str(caught.value)


def test_folders_that_are_no_sets(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        read_set(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="no captioned pictures"):
        read_set(tmp_path)
    picture(1).save(tmp_path / "a.png")
    with pytest.raises(InvalidInput, match=r"'a\.txt' is not there"):
        read_set(tmp_path)
    (tmp_path / "metadata.jsonl").touch()
    (tmp_path / "metadata.csv").touch()
    with pytest.raises(InvalidInput, match="keep one"):
        read_set(tmp_path)


def test_content_hash_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    def make(name: str, text: str = "x", seed: int = 1, **more: Any) -> str:
        folder = tmp_path / name
        folder.mkdir()
        picture(seed).save(folder / "a.png")
        write_jsonl(folder, {"file_name": "a.png", "text": text, **more})
        return read_set(folder).content_hash()

    hashes = [make("1"), make("2", "y"), make("3", seed=2), make("4", mask="a.png"), make("5", place="sea")]
    assert len(set(hashes)) == 5
    assert make("6") == hashes[0]


@given(st.dictionaries(stem, st.lists(caption, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_is_written_as_jsonl_is_read_back(wanted: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = [json.dumps({"file_name": k, "text": v}, ensure_ascii=False) for k, v in wanted.items()]
        (folder / "metadata.jsonl").write_bytes("\n".join(lines).encode())
        found = list(read_entries(folder))
    assert {one.name: list(one.captions) for one in found if isinstance(one, Entry)} == wanted


@given(st.dictionaries(stem, caption.filter(lambda text: not text.startswith("[")), min_size=1, max_size=4))
def test_what_is_written_as_csv_is_read_back(wanted: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text = io.StringIO(newline="")
        csv.writer(text).writerows([("file_name", "text"), *wanted.items()])
        (folder / "metadata.csv").write_bytes(text.getvalue().encode())
        found = list(read_entries(folder))
    assert {one.name: one.captions for one in found if isinstance(one, Entry)} == {
        name: (text,) for name, text in wanted.items()
    }


@given(st.binary(max_size=200) | json_value.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_entries_or_faults(content: bytes) -> None:
    for name in ("metadata.jsonl", "metadata.csv"):
        with tempfile.TemporaryDirectory() as place:
            (Path(place) / name).write_bytes(content)
            for found in read_entries(Path(place)):
                assert isinstance(found, Entry | Fault)
                assert name in found.where


@given(json_value, json_value, json_value)
def test_any_values_in_a_line_give_an_entry_or_a_fault(name: Any, text: Any, mask: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        write_jsonl(Path(place), {"file_name": name, "text": text, "mask": mask})
        (found,) = read_entries(Path(place))
    if isinstance(found, Entry):
        assert found.captions
        assert all(found.captions)
