"""What the gate of words finds, in which disguises, and what it lets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.engine.request import DrawRequest
from limner.errors import InvalidInput
from limner.service.gates.words import LONGEST, MOST_BYTES, Words, read_words

FOOL = "\u0434\u0443\u0440\u0430\u043a"
WORDS = Words(["gun", "blood bath", "Café", "\u88f8", FOOL, "x"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a gun", "gun"),
        ("A GUN!", "gun"),
        ("the (gun).", "gun"),
        ("a g\u00fan", "gun"),
        ("a gu\u0308n", "gun"),
        ("a \uff47\uff55\uff4e", "gun"),
        ("a g\u200bu\u200dn", "gun"),
        ("a g\u00adun\ufe0f", "gun"),
        ("a g\u202eun", "gun"),
        ("a g u n on a table", "gun"),
        ("a g.u.n", "gun"),
        ("a g-u-n", "gun"),
        ("a gu*n", "gun"),
        ("a gun_", "gun"),
        ("a g\u03c5n", "gun"),
        ("a bl00d b@th", "blood bath"),
        ("Blood\n\tBATH", "blood bath"),
        ("blood, bath", "blood bath"),
        ("a bl\u043e\u043ed b\u0430th", "blood bath"),
        ("a cafe in Paris", "Café"),
        ("\u7f8e\u3057\u3044\u88f8\u306e\u7d75", "\u88f8"),
        (f"{FOOL}\u0438 \u0438 {FOOL.upper()}", FOOL),
        ("the letter x", "x"),
    ],
)
def test_it_finds_words_in_simple_disguises(text: str, found: str) -> None:
    assert WORDS.find(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "a red apple on a wooden table",
        "gunpowder tea, a gunner and a burgundy sofa",
        "blood on a bath",
        "the cafeteria",
        "\u7f8e\u3057\u3044\u7d75",
        "letters g u and n",
        "a box of 3 apples",
        "\U0001f600 \u2800",
        "",
    ],
)
def test_it_lets_other_words_through(text: str) -> None:
    assert WORDS.find(text) is None


def test_the_reason_names_the_word_and_what_is_not_wanted_may_be_named() -> None:
    said = WORDS(DrawRequest(prompt="a GUN"))
    assert said is not None and "'gun'" in said
    assert WORDS(DrawRequest(prompt="a cat", negative_prompt="gun")) is None


def test_the_longest_prompt_of_the_widest_signs_is_looked_through() -> None:
    assert WORDS.find("\ufdfa" * 999 + " gun") == "gun"


def test_a_file_has_a_word_a_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\ufeffgun  # a weapon\n\n# nothing\nblood bath\n", "utf-8")
    words = read_words(file)
    assert words.find("a gun") == "gun" and words.find("a blood bath") == "blood bath"
    assert words.find("a weapon, nothing") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 words"),
        (b"# gun\n", "0 words"),
        (b"gun\n***\n", "'***'"),
        (b"a" * (LONGEST + 1), "100 characters"),
        (b"\xff\xfe", "UTF-8"),
        (b"a\n" * (MOST_BYTES // 2 + 1), "larger"),
        (b"a\n" * 20_001, "20001 words"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        read_words(file)
    assert said in str(refused.value) and "words.txt" in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.txt"):
        read_words(tmp_path / "none.txt")
