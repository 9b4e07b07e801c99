"""The vocabulary: learned from training captions alone, kept in a small file, open about what it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from limner.errors import InvalidInput, NotFound
from limner.families.words import END, UNKNOWN, VOCABULARY_NAME, Words, row


def test_words_are_learned_and_read_back(tmp_path: Path) -> None:
    words = Words.learn(["A red bird.", "a RED bird, a blue one"], at_least=2)
    assert words.words == (END, UNKNOWN, "a", "bird", "red") and words.known == ("a", "bird", "red")
    words.write(tmp_path)
    assert Words.read(tmp_path) == words
    assert words.ids("A blue bird") == [2, 1, 3]
    assert words.outside(["a red bird", "a blue one", "bird"]) == pytest.approx(2 / 7)


def test_without_an_unknown_word_others_are_left_out() -> None:
    words = Words((END, "a", "bird"), None)
    assert words.ids("a blue bird") == [1, 2] and words.ids("blue") == []


def test_rows_are_cut_or_filled_up() -> None:
    assert np.array_equal(row([5, 6, 7], 2), [5, 6])
    assert np.array_equal(row([5, 6], 4), [5, 6, 0, 0])


@pytest.mark.parametrize(
    "value",
    [{}, {"words": "a"}, {"words": ["<end>", 3]}, {"words": ["a", "a"]}, {"words": ["a", "b"], "unknown": 2},
     {"words": ["a", "b"], "unknown": True}],
)  # fmt: skip
def test_a_broken_file_is_named(tmp_path: Path, value: object) -> None:
    (tmp_path / VOCABULARY_NAME).write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"vocabulary\.json"):
        Words.read(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"vocabulary\.json"):
        Words.read(tmp_path)
