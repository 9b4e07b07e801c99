"""CLIP's tokenizer, made from its merges: numbers that are known, and transformers' reading of the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from limner.families.diffusion.checkpoint.clip import write_tokenizer
from limner.families.diffusion.tokenizer import ClipTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clip") / "tokenizer"
    write_tokenizer(place, second=False)
    return place


def test_known_numbers(folder: Path) -> None:
    ids = ClipTokenizer(folder)("a photo of a cat").tolist()
    assert ids[:7] == [49406, 320, 1125, 539, 320, 2368, 49407] and set(ids[7:]) == {49407} and len(ids) == 77


def test_the_second_version_pads_with_nought(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer", second=True)
    assert set(ClipTokenizer(tmp_path / "tokenizer")("cat").tolist()[3:]) == {0}


@pytest.mark.parametrize(
    "text",
    ["A pikachu fine dining with a view to the Eiffel Tower", "naïve café, 2024!", "日本の城 🏯", "it's"],
)
def test_transformers_reads_it_alike(folder: Path, text: str) -> None:
    theirs = CLIPTokenizer.from_pretrained(folder, model_max_length=77)
    expected = theirs(text, padding="max_length", truncation=True, max_length=77).input_ids
    assert ClipTokenizer(folder)(text).tolist() == expected
    assert len(theirs) == 49408
