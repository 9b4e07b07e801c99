"""The world: the same scene for the same seed and index at any size, held-out pairs never in training."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.storybook.captions import captions, describe, vocabulary
from limner.storybook.grammar import HELD_OUT, SHOWN, pairs, random_for, sample
from limner.storybook.palette import COLOURS
from limner.storybook.prompts import FROZEN, freeze, frozen
from limner.storybook.render import render
from limner.storybook.scene import PLACES, RELATIONS, TIMES, Scene, statements, with_statement
from limner.storybook.subjects import SUBJECTS

SEEDS = st.integers(0, 2**32 - 1)
SAMPLES = [sample(random_for(11, index)) for index in range(3000)]


def test_the_world_has_what_it_promises() -> None:
    assert len(SUBJECTS) >= 30 and len(COLOURS) == 10 and len(PLACES) >= 10
    assert {"apple", "torch", "flashlight", "astronaut", "bicycle", "person", "mushroom"} <= SUBJECTS.keys()


def test_training_never_sees_a_held_out_pair() -> None:
    assert all(not pairs(scene) & HELD_OUT for scene in SAMPLES)
    assert 30 <= len(HELD_OUT) <= 80 and not HELD_OUT & SHOWN


def test_every_atom_of_a_held_out_pair_is_learned() -> None:
    seen = set().union(*(pairs(scene) for scene in SAMPLES))
    for kind, subject, value in HELD_OUT:
        assert any(pair[0] == kind and pair[1] == subject for pair in seen)
        assert any(pair[0] == kind and pair[2] == value for pair in seen)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 10**9))
def test_held_out_scenes_have_such_a_pair(seed: int, index: int) -> None:
    assert pairs(sample(random_for(seed, index), held_out=True)) & HELD_OUT


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 10**9))
def test_captions_say_only_what_is_true_and_only_known_words(seed: int, index: int) -> None:
    rng = random_for(seed, index)
    scene = sample(rng)
    text, said = describe(scene, rng)
    for field in fields(Scene):
        if field.name != "things":
            assert getattr(said, field.name) in (None, getattr(scene, field.name))
    for a, b in zip(said.things, scene.things, strict=True):
        assert (a.subject, a.count) == (b.subject, b.count) and a.colour in (None, b.colour)
    assert set(re.findall(r"[a-z0-9-]+", text.lower())) <= set(vocabulary())
    assert set(statements(said)) <= set(statements(scene))


def test_wordings_differ() -> None:
    assert len(set(captions(SAMPLES[0], random_for(1, 1), 6))) == 6


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 10**6))
def test_a_scene_is_the_same_twice_and_at_every_size(seed: int, index: int) -> None:
    small, again, large = render(seed, index, 64), render(seed, index, 64), render(seed, index, 128)
    assert small.image.tobytes() == again.image.tobytes()
    assert small.scene == large.scene and small.placed == large.placed
    shrunk = np.asarray(large.image.reduce(2), np.float32)
    assert np.abs(shrunk - np.asarray(small.image, np.float32)).mean() < 3.0


@pytest.mark.parametrize("index", range(12))
def test_masks_and_boxes_show_the_subjects(index: int) -> None:
    made = render(5, index, 128)
    counts = [thing.count for thing in made.scene.things]
    assert len(made.placed) == len(made.masks) == sum(counts)
    assert made.masks.sum(0).max() <= 1
    for mask, (left, top, right, bottom) in zip(made.masks, made.boxes, strict=True):
        assert mask.sum() > 60
        assert mask[top:bottom, left:right].sum() == mask.sum()


def test_relations_hold_in_the_layout() -> None:
    found = set()
    for index in range(400):
        made = render(21, index, 32)
        if made.scene.relation is None:
            continue
        centre = {p.thing: (p.left + p.side / 2, p.top + p.side / 2) for p in made.placed}
        (ax, ay), (bx, by) = centre[0], centre[1]
        holds = {
            "left of": ax < bx - 0.2, "right of": ax > bx + 0.2, "above": ay < by - 0.2,
            "below": ay > by + 0.2, "on top of": ay < by - 0.1 and abs(ax - bx) < 0.05,
        }  # fmt: skip
        assert holds[made.scene.relation]
        found.add(made.scene.relation)
    assert found == set(RELATIONS)


def test_a_falsified_scene_differs_in_one_statement() -> None:
    scene = SAMPLES[0]
    for statement in statements(scene):
        values = {"place": PLACES, "time": TIMES, "colour": tuple(COLOURS), "count": ("1", "2", "3", "4")}
        for value in values.get(statement.kind, ()):
            changed = with_statement(scene, type(statement)(statement.kind, value, statement.thing))
            assert len(set(statements(scene)) - set(statements(changed))) == (value != statement.value)


@pytest.mark.parametrize("name", FROZEN)
def test_the_frozen_prompts_are_those_of_the_grammar(name: str) -> None:
    text = files("limner.storybook").joinpath("frozen", f"{name}.jsonl").read_text("utf-8")
    assert text.splitlines() == [json.dumps(row) for row in freeze(name)]
    prompts = frozen(name)
    assert len(prompts) == len({p.text for p in prompts}) == 250
    for prompt in prompts:
        assert bool(pairs(prompt.scene) & HELD_OUT) == (name == "held_out")
