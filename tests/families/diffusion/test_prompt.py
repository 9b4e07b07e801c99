"""Weights of words and windows of long prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.families.diffusion.checkpoint.clip import write_tokenizer
from limner.families.diffusion.prompt import emphasised, literal, weighted, windows
from limner.families.diffusion.tokenizer import ClipTokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> ClipTokenizer:
    return ClipTokenizer(tiny_model / "tokenizer")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain words", [("plain words", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("((very)) [little]", [("very", 1.21), (" ", 1), ("little", 1 / 1.1)]),
        ("(red:1.3) (blue: .5)", [("red", 1.3), (" ", 1), ("blue", 0.5)]),
        (r"\(kept\] and \\", [("(kept] and \\", 1)]),
        ("(not closed", [("not closed", 1.1)]),
        ("closed) twice]", [("closed) twice]", 1)]),
        ("(one)(other)", [("oneother", 1.1)]),
        ("a sign: open, 10:30", [("a sign: open, 10:30", 1)]),
        ("((a:" + "9" * 400 + "):0)", [("a", 0)]),
        ("(heavy:99) (gone:-2)", [("heavy", 10), (" ", 1), ("gone", 0)]),
        ("", []),
    ],
)
def test_the_notation(text: str, parts: list[tuple[str, float]]) -> None:
    found = weighted(text)
    assert [words for words, _ in found] == [words for words, _ in parts]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in parts])


def test_brackets_within_brackets() -> None:
    """The example of the tool that the notation is from."""
    found = weighted("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).")
    assert [words for words, _ in found] == ["a ", "house", " ", "on", " a ", "hill", ", sun, ", "sky", "."]
    expected = [1, 1.573, 1.1, 1, 1.1, 0.55, 1.1, 1.4641, 1.1]
    assert [weight for _, weight in found] == pytest.approx(expected)


@given(st.text(alphabet="ab ()[]\\:1.+-", max_size=30))
def test_any_text_is_taken_apart_and_loses_no_letter(text: str) -> None:
    found = weighted(text)
    assert all(0 <= weight <= 10 for _, weight in found)
    assert sum(words.count(letter) for words, _ in found for letter in "ab") == text.count("a") + text.count(
        "b"
    )


@given(st.text(max_size=40).filter(lambda text: not set(text) & set("()[]\\")))
def test_a_text_without_brackets_stays_whole(text: str) -> None:
    assert weighted(text) == ([(text, 1.0)] if text else [])


@given(st.text(st.sampled_from("ab ()[]\\:1.3"), min_size=1, max_size=30))
def test_a_caption_can_be_asked_for_as_it_stands(text: str) -> None:
    assert weighted(literal(text)) == [(text, 1.0)]


def test_a_short_prompt_is_one_window_as_ever(tokenizer: ClipTokenizer) -> None:
    (only,) = windows(tokenizer, "an apple", 5)
    assert np.array_equal(only.ids, tokenizer("an apple")) and (only.weights == 1).all()
    (none,) = windows(tokenizer, "", 5)
    assert np.array_equal(none.ids, tokenizer(""))


def test_a_long_prompt_has_windows_with_the_weights_of_their_words(tokenizer: ClipTokenizer) -> None:
    room = tokenizer.length - 2
    text = "a " * (room - 1) + "(b c:2) " + "d " * room
    found = windows(tokenizer, text, 9)
    assert [len(each.ids) for each in found] == [tokenizer.length] * 3
    pieces = [token for each in found for token in each.ids[1 : room + 1]][: 2 * room + 1]
    assert pieces == tokenizer.pieces(text.replace("(", "").replace(":2)", ""))
    assert found[0].weights[room] == 2 and found[1].weights[1] == 2
    assert sum(float((each.weights != 1).sum()) for each in found) == 2
    assert len(windows(tokenizer, text, 2)) == 2


def test_a_window_ends_behind_a_comma_that_is_near(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer", second=False)
    clip = ClipTokenizer(tmp_path / "tokenizer")
    near = windows(clip, "a " * 72 + ", b c d", 5)
    assert [int((each.ids[1:] != clip.row([])[1]).sum()) for each in near] == [73, 3]
    assert near[1].ids[1:4].tolist() == clip.pieces("b c d")
    far = windows(clip, "a, " + "b " * 90, 5)
    assert far[0].ids[1:76].tolist() == clip.pieces("a, " + "b " * 73)


def test_break_begins_a_window(tokenizer: ClipTokenizer) -> None:
    first, second = windows(tokenizer, "a cat BREAK a dog", 5)
    assert np.array_equal(first.ids, tokenizer("a cat")) and np.array_equal(second.ids, tokenizer("a dog"))
    (only,) = windows(tokenizer, "a BREAK b", 1)
    assert np.array_equal(only.ids, tokenizer("a BREAK b"))


def test_emphasis_keeps_the_mean() -> None:
    encoding = np.random.default_rng(0).normal(1, 1, (5, 8)).astype(np.float32)
    weights = np.array([1, 1, 2, 0.5, 1], np.float32)
    made = emphasised(encoding, weights)
    assert float(made.mean()) == pytest.approx(float(encoding.mean()), rel=1e-5)
    ratio = (made / encoding).mean(1)
    np.testing.assert_allclose(ratio / ratio[0], weights, rtol=1e-4)
    assert emphasised(encoding, np.ones(5, np.float32)) is encoding
