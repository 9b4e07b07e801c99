"""Birds: the same by seed at every size, captions that say what is so, a checker that tells right from wrong."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from limner.storybook.birds.bird import (
    ABSENT,
    HELD_OUT,
    SHOWN,
    VALUES,
    Bird,
    pairs,
    sample,
    statements,
    with_statement,
)
from limner.storybook.birds.captions import captions, describe
from limner.storybook.birds.checker import is_there, read
from limner.storybook.birds.drawing import draw, pose
from limner.storybook.birds.prompts import freeze
from limner.storybook.grammar import random_for
from limner.storybook.prompts import FROZEN
from limner.storybook.worlds import world

WORLD = world("birds")
BIRDS = st.builds(Bird, **{kind: st.sampled_from(values) for kind, values in VALUES.items()})
Pixels = NDArray[np.uint8]


@given(BIRDS, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_bird_can_be_drawn_large(bird: Bird, seed: int) -> None:
    image, shown = draw(bird, pose(random_for(seed, 0)), 64)
    assert image.size == (64, 64) and shown.shape == (64, 64)
    assert 0.1 < shown.mean() < 0.6


def test_a_bird_is_the_same_at_every_size() -> None:
    for index in range(6):
        small, large = (WORLD.example(5, index, size) for size in (64, 256))
        assert small.scene == large.scene and small.texts == large.texts
        reduced = np.asarray(large.image.resize((64, 64), Image.Resampling.BOX), float)
        assert np.abs(reduced - np.asarray(small.image, float)).mean() < 4


def test_training_never_shows_a_held_out_pair() -> None:
    assert 4 <= len(HELD_OUT) <= 20 and not HELD_OUT & SHOWN
    seen: set[tuple[str, str, str]] = set()
    for index in range(600):
        seen |= pairs(sample(random_for(3, index)))
    assert not seen & HELD_OUT
    for _, part, colour in HELD_OUT:  # each of the two words is learned
        assert any(pair[1] == part for pair in seen) and any(pair[2] == colour for pair in seen)
    for index in range(40):
        assert pairs(sample(random_for(3, index), held_out=True)) & HELD_OUT


@given(BIRDS, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_caption_says_nothing_that_is_not_so(bird: Bird, seed: int) -> None:
    text, said = describe(bird, random_for(seed, 0))
    assert statements(said) and set(statements(said)) <= set(statements(bird))
    assert set(text.replace(",", " ").split()) <= set(WORLD.vocabulary())
    assert not {"  ", " ,", ",,"} & {text[k : k + 2] for k in range(len(text))}


def test_there_are_ten_captions_which_name_different_parts() -> None:
    example = WORLD.example(1, 0, 32)
    assert len(set(example.texts)) == 10
    named = Counter[str]()
    for index in range(60):
        bird = sample(random_for(8, index))
        for text in captions(bird, random_for(9, index)):
            named.update(
                word for word in ("crown", "eyering", "bill", "belly", "wings", "throat") if word in text
            )
    assert min(named.values()) > 40 and len(named) == 6


def test_the_sentence_that_people_quote_can_be_said() -> None:
    bird = Bird(*("plump", "perch", "blue", "yellow", "round", "black"), bill="short", bill_colour="grey",
                throat="blue", breast="blue", belly="white", back="blue", wing="blue", wingbars="white",
                tail="blue", legs="black")  # fmt: skip
    found: Bird | None = None
    for index in range(60_000):
        text, said = describe(bird, random_for(2, index))
        if text == "the bird has a yellow crown and a black eyering that is round":
            found = said
            break
    assert found == Bird(crown="yellow", eyering="round", eyering_colour="black")


def test_the_frozen_prompts_are_those_that_were_chosen() -> None:
    for name in FROZEN:
        found = WORLD.frozen(name)
        rows = freeze(name)
        assert [prompt.text for prompt in found] == [row["prompt"] for row in rows] and len(found) == 250
        assert all(bool(pairs(prompt.scene) & HELD_OUT) == (name == "held_out") for prompt in found)
        assert all(len(statements(prompt.scene)) >= 2 for prompt in found)


def test_what_is_drawn_at_random_says_as_much_and_no_colour_of_nothing() -> None:
    for index in range(60):
        _, said = WORLD.prompt(random_for(4, index), False)
        made = WORLD.at_random(said, random_for(5, index))
        assert [one.kind for one in statements(made)] == [one.kind for one in statements(said)]
        assert made.eyering != ABSENT or made.eyering_colour is None


def _true(pixels: Pixels) -> Pixels:
    return pixels


def _blurred(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1)))


def _compressed(pixels: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file).convert("RGB"))


def _grained(pixels: Pixels) -> Pixels:
    grain = np.random.default_rng(6).normal(0, 30, pixels.shape)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def _shuffled(pixels: Pixels) -> Pixels:
    side = len(pixels) // 4
    squares = [
        pixels[y : y + side, x : x + side] for y in range(0, 4 * side, side) for x in range(0, 4 * side, side)
    ]
    order = np.random.default_rng(7).permutation(16).reshape(4, 4)
    return np.concatenate([np.concatenate([squares[k] for k in row], 1) for row in order])


def test_a_bird_is_there_through_grain_and_not_where_there_is_none() -> None:
    blobs = np.random.default_rng(8).integers(0, 256, (4, 6, 6, 3), np.uint8)
    others = [
        *(_shuffled(WORLD.fresh(43, index, 64)[0]) for index in range(4)),
        *(np.asarray(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC)) for one in blobs),
        *(world("creatures").fresh(43, index, 64)[0] for index in range(4)),
    ]
    birds = [_grained(WORLD.fresh(43, index, 64)[0]) for index in range(8)]
    there = [[is_there(read(picture)) for picture in lot] for lot in (birds, others)]
    assert sum(there[0]) >= 7 and sum(there[1]) <= 1


@pytest.mark.parametrize("change", [_true, _blurred, _compressed])
def test_the_checker_accepts_what_is_so_and_nothing_else(change: Callable[[Pixels], Pixels]) -> None:
    """97 % and 3 %; the small sample is given three standard deviations."""
    right, wrong, total = Counter[str](), 0, Counter[str]()
    for index in range(8):
        pixels, said = WORLD.fresh(41, index, 128)
        falsified = WORLD.falsified(said, random_for(41, index))
        own, *others = WORLD.judge(change(pixels), [said, *(graph for _, graph in falsified)])
        for verdict in own:
            right[verdict.statement.kind] += verdict.holds
            total[verdict.statement.kind] += 1
        for (false, graph), verdicts in zip(falsified, others, strict=True):
            assert with_statement(said, false) == graph
            wrong += next(verdict.holds for verdict in verdicts if verdict.statement == false)
    count = total.total()
    assert sum(right.values()) >= 0.97 * count - 3 * (0.0291 * count) ** 0.5
    assert wrong <= 0.03 * count + 3 * (0.0291 * count) ** 0.5
    assert all(right[kind] for kind in VALUES)


def test_the_checker_finds_no_bird_in_nothing() -> None:
    bird = sample(random_for(1, 1))
    for pixels in (
        np.full((64, 64, 3), 240, np.uint8),
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
        world("creatures").fresh(3, 1, 64)[0],
    ):
        assert not any(verdict.holds for verdict in WORLD.judge(pixels, [bird])[0])
