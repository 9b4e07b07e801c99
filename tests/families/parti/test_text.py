"""Pieces of texts: rows, words, what cannot be spelled, and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import InvalidInput, NotFound
from limner.families.parti.text import END, PAD, TEXT_NAME, UNKNOWN, TextTokenizer

from .tiny import CAPTIONS, TEXT


def test_a_row_is_pieces_the_end_and_padding() -> None:
    pieces = TEXT.ids("a red apple")
    assert TEXT.row("a red apple", 12).tolist() == [*pieces, END, *[PAD] * (11 - len(pieces))]
    assert TEXT.row("", 4).tolist() == [END, PAD, PAD, PAD]
    cut = TEXT.row(" ".join(CAPTIONS), 5).tolist()
    assert len(cut) == 5 and cut[-1] == END
    assert TEXT.text(TEXT.row("A  red Apple", 40)) == "a red apple"


def test_the_same_captions_give_the_same_pieces(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        TextTokenizer.learn(CAPTIONS, 80).write(tmp_path / name)
    one, other = ((tmp_path / name / TEXT_NAME).read_text("utf-8") for name in ("one", "other"))
    assert one == other


def test_what_no_piece_can_spell_is_counted() -> None:
    assert TEXT.outside(CAPTIONS) == 0 and UNKNOWN in TEXT.ids("a 猫")
    assert TEXT.outside(["猫"]) == 1


def test_words_are_told_with_their_places() -> None:
    text = "A Red appletable"
    told = TEXT.words(text, 40)
    assert [word for word, _, _ in told] == ["a", "red", "appletable"]
    assert [word for word, _, _ in TEXT.words('says "open", a', 40)] == ["says", "open", "a"]
    places = [place for _, first, end in told for place in range(first, end)]
    assert places == list(range(len(TEXT.ids(text))))
    assert len(TEXT.words(text, 2)) == 1


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    TEXT.write(tmp_path)
    again = TextTokenizer.read(tmp_path)
    assert len(again) == len(TEXT) and again.ids(CAPTIONS[1]) == TEXT.ids(CAPTIONS[1])
    with pytest.raises(NotFound, match=TEXT_NAME):
        TextTokenizer.read(tmp_path / "elsewhere")
    (tmp_path / TEXT_NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInput, match=TEXT_NAME):
        TextTokenizer.read(tmp_path)
