"""Ambiguous words: by choice, by country, as usual."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import InvalidInput
from limner.storybook.captions import vocabulary
from limner.storybook.lexicon import known_to, read, read_lexicon


@pytest.mark.parametrize(
    ("locale", "sense"),
    [
        ("en-GB", "flashlight"), ("en_gb", "flashlight"), ("es-GB", "flashlight"), ("en-Latn-GB", "flashlight"),
        ("en-US", "torch"), ("en", "torch"), ("gb", "torch"), (None, "torch"), ("", "torch"),
    ],
)  # fmt: skip
def test_a_torch_is_read_by_the_country(locale: str | None, sense: str) -> None:
    reading = read("a torch on the beach", read_lexicon(), locale, {})
    assert reading.text == f"a {sense} on the beach" and reading.taken == {"torch": sense}


def test_a_choice_is_stronger_than_the_country() -> None:
    assert read("a torch", read_lexicon(), "en-GB", {"torch": "torch"}).text == "a torch"
    assert read("a Torch", read_lexicon(), None, {"torch": "flashlight"}).text == "a flashlight"
    with pytest.raises(InvalidInput, match="choose from torch, flashlight"):
        read("a torch", read_lexicon(), None, {"torch": "banana"})


@pytest.mark.parametrize("word", ["Torch", "TORCH"])
def test_a_word_may_be_chosen_for_in_any_case(word: str) -> None:
    reading = read("A Torch at night", read_lexicon(), None, {word: "flashlight"})
    assert reading.text == "A flashlight at night" and reading.taken == {"torch": "flashlight"}
    with pytest.raises(InvalidInput, match="choose from torch, flashlight"):
        read("a torch", read_lexicon(), None, {word: "banana"})


def test_only_whole_words_are_read() -> None:
    text = "a torchlight, torch-bearers, a flashlight and two Torches"
    reading = read(text, read_lexicon(), "en-GB", {"tree": "house"})
    assert reading.text == text.replace("Torches", "flashlights") and reading.taken == {
        "torches": "flashlights"
    }
    assert read("a torch", {}, "en-GB", {}).text == "a torch"


@pytest.mark.parametrize(
    "text", ["a burning torch at night", "two flaming torches", "an Electric  torch", "a flaming\ntorch"]
)
@pytest.mark.parametrize("locale", ["en-GB", "en-US", None])
def test_a_word_before_it_may_leave_no_doubt(text: str, locale: str | None) -> None:
    """Storybook itself calls the one a burning torch and the other an electric torch."""
    reading = read(text, read_lexicon(), locale, {"torch": "flashlight"})
    assert reading.text == text and reading.taken == {}
    assert read(f"{text} and a torch", read_lexicon(), "en-GB", {}).text == f"{text} and a flashlight"
    assert read("an unelectric torch", read_lexicon(), "en-GB", {}).text == "an unelectric flashlight"


def test_the_built_in_senses_are_words_of_the_built_in_model() -> None:
    lexicon = read_lexicon()
    assert known_to(lexicon, frozenset(vocabulary())) == lexicon
    assert known_to(lexicon, frozenset(vocabulary()) - {"flashlight"}).keys() == {"torches"}
    for word, found in lexicon.items():
        assert found.senses[0] == word and set(found.countries.values()) <= set(found.senses)


def test_a_file_that_is_no_lexicon_is_named(tmp_path: Path) -> None:
    (tmp_path / "lexicon.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is no lexicon"):
        read_lexicon(tmp_path / "lexicon.json")
