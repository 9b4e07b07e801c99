"""Creatures: the same by seed at every size, captions that say what is so, a checker that tells right from wrong."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.storybook.creatures.captions import describe
from limner.storybook.creatures.creature import (
    HELD_OUT,
    VALUES,
    Creature,
    pairs,
    sample,
    statements,
    with_statement,
)
from limner.storybook.creatures.drawing import draw, parts_of, pose
from limner.storybook.creatures.prompts import freeze
from limner.storybook.grammar import random_for
from limner.storybook.prompts import FROZEN
from limner.storybook.scene import Statement
from limner.storybook.worlds import world

WORLD = world("creatures")
CREATURES = st.builds(Creature, **{kind: st.sampled_from(values) for kind, values in VALUES.items()})


@given(CREATURES, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_creature_can_be_drawn_inside_the_picture(creature: Creature, seed: int) -> None:
    image, shown = draw(creature, pose(random_for(seed, 0)), 64)
    assert image.size == (64, 64) and shown.shape == (64, 64)
    assert 0.05 < shown.mean() < 0.6


def test_a_creature_is_the_same_at_every_size() -> None:
    for index in range(8):
        small, large = (WORLD.example(5, index, size) for size in (64, 256))
        assert small.scene == large.scene and small.texts == large.texts
        reduced = np.asarray(large.image.resize((64, 64), Image.Resampling.BOX), float)
        assert np.abs(reduced - np.asarray(small.image, float)).mean() < 3


@given(CREATURES, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_creature_without_a_part_differs_within_the_frames_of_that_part(
    creature: Creature, seed: int
) -> None:
    how, side = pose(random_for(seed, 0)), 96
    whole = np.asarray(draw(creature, how, side)[0], int)
    parts = parts_of(creature, how)
    count = {
        kind: sum(part["subject"] == kind for part in parts) for kind in ("eyes", "horns", "wing", "tail")
    }
    assert count == {
        "eyes": 1,
        "horns": creature.horns != "0",
        "wing": 2 * (creature.wings != "none"),
        "tail": creature.tail != "none",
    }
    for kind, name, none in (("horns", "horns", "0"), ("wings", "wing", "none"), ("tail", "tail", "none")):
        without = np.asarray(draw(with_statement(creature, Statement(kind, none)), how, side)[0], int)
        apart = np.abs(whole - without).max(2) > 8
        assert apart.any() == bool(count[name])
        for left, top, right, bottom in (part["frame"] for part in parts if part["subject"] == name):
            # a polygon's own outline is painted too: a pixel more
            apart[
                max(0, math.floor(top * side) - 1) : math.ceil(bottom * side) + 1,
                max(0, math.floor(left * side) - 1) : math.ceil(right * side) + 1,
            ] = False
        assert not apart.any()


def test_a_set_tells_which_drawing_of_each_part_there_is() -> None:
    for index in range(12):
        made = WORLD.example(5, index, 64)
        (told,) = made.subjects
        drawings = {part["subject"]: part["drawing"] for part in told["parts"]}
        assert VALUES["eyes"][drawings["eyes"]] == made.scene.eyes
        assert made.scene.horns == (VALUES["horns"][drawings["horns"] + 1] if "horns" in drawings else "0")
        assert made.scene.wings == (VALUES["wings"][drawings["wing"] + 1] if "wing" in drawings else "none")
        assert made.scene.tail == (VALUES["tail"][drawings["tail"] + 1] if "tail" in drawings else "none")
        assert VALUES["pattern"][told["drawing"]] == made.scene.pattern


def test_training_never_shows_a_held_out_pair() -> None:
    assert 4 <= len(HELD_OUT) <= 20
    for index in range(400):
        assert not pairs(sample(random_for(3, index))) & HELD_OUT
    for index in range(40):
        assert pairs(sample(random_for(3, index), held_out=True)) & HELD_OUT


@given(CREATURES, st.integers(0, 2**32 - 1))
def test_a_caption_says_nothing_that_is_not_so(creature: Creature, seed: int) -> None:
    text, said = describe(creature, random_for(seed, 0))
    for one in statements(said):
        assert one in statements(creature)
    words = set(text.replace(",", " ").split())
    assert words <= set(WORLD.vocabulary())


def test_the_frozen_prompts_are_those_that_were_chosen() -> None:
    for name in FROZEN:
        found = WORLD.frozen(name)
        rows = freeze(name)
        assert [prompt.text for prompt in found] == [row["prompt"] for row in rows] and len(found) == 250
        assert all(bool(pairs(prompt.scene) & HELD_OUT) == (name == "held_out") for prompt in found)
        assert all(len(statements(prompt.scene)) >= 2 for prompt in found)


def test_the_checker_accepts_what_is_so_and_nothing_else() -> None:
    """99 % and 2 % on true renders; the small sample is given three standard deviations."""
    right, wrong, total = Counter[str](), 0, Counter[str]()
    for index in range(24):
        pixels, said = WORLD.fresh(41, index, 96)
        falsified = WORLD.falsified(said, random_for(41, index))
        own, *others = WORLD.judge(pixels, [said, *(graph for _, graph in falsified)])
        for verdict in own:
            right[verdict.statement.kind] += verdict.holds
            total[verdict.statement.kind] += 1
        for (false, graph), verdicts in zip(falsified, others, strict=True):
            assert with_statement(said, false) == graph
            wrong += next(verdict.holds for verdict in verdicts if verdict.statement == false)
    count = total.total()
    assert sum(right.values()) >= 0.99 * count - 3 * (0.0099 * count) ** 0.5
    assert wrong <= 0.02 * count + 3 * (0.0196 * count) ** 0.5
    assert all(right[kind] for kind in VALUES)


def test_the_checker_finds_no_creature_in_nothing() -> None:
    for pixels in (
        np.full((64, 64, 3), 240, np.uint8),
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
    ):
        creature = sample(random_for(1, 1))
        assert not any(verdict.holds for verdict in WORLD.judge(pixels, [creature])[0])
