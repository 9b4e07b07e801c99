"""What every world offers to those who judge: contradictions, captions wrong by an atom, true pictures of a graph."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from limner.storybook.birds.bird import Bird
from limner.storybook.contradiction import scenes_contradict
from limner.storybook.grammar import random_for
from limner.storybook.scene import Scene, Thing
from limner.storybook.worlds import WORLDS, world_learned, wrong_captions

CAT, DOG = Thing("cat", "black"), Thing("dog", "brown")


@pytest.mark.parametrize("name", WORLDS)
def test_a_graph_survives_being_written_down(name: str) -> None:
    world = WORLDS[name]
    for number in range(20):
        graph = world.fresh(4, number, 16)[1]
        assert world.graph(asdict(graph)) == graph


@pytest.mark.parametrize("name", WORLDS)
def test_ideas_are_many_and_of_words_that_the_world_has(name: str) -> None:
    world = WORLDS[name]
    ideas = [world.idea(seed) for seed in range(40)]
    assert ideas == [world.idea(seed) for seed in range(40)] and len(set(ideas)) > 35
    said = {word for idea in ideas for word in re.findall(r"[a-z0-9-]+", idea.lower())}
    assert said <= set(world.vocabulary())


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ('{"data": {"storybook_world": "birds", "storybook_count": 9}}', "birds"),
        ('{"data": {"storybook_count": 9}}', "scenes"),
        ('{"data": {"storybook_world": "birds", "storybook_count": 9, "folder": "/x"}}', None),
        ('{"data": {"storybook_world": "birds", "storybook_count": 0}}', None),
        ('{"data": {"storybook_world": "moons", "storybook_count": 9}}', None),
        ('{"data": {"storybook_world": [], "storybook_count": 9}}', None),
        ('{"data": []}', None),
        ("[1]", None),
        ("by hand", None),
    ],
)
def test_the_world_that_a_recipe_draws(recipe: str, name: str | None) -> None:
    found = world_learned(recipe)
    assert (None if found is None else found.name) == name


@pytest.mark.parametrize("name", WORLDS)
def test_a_graph_with_one_atom_falsified_contradicts_it(name: str) -> None:
    world = WORLDS[name]
    for number in range(30):
        graph = world.fresh(5, 2 * number + 1, 16)[1]
        for false, changed in world.falsified(graph, random_for(6, number)):
            if str(false).startswith("relation") and {false.value, graph.relation} == {"above", "on top of"}:
                continue  # both may be said of one picture
            assert world.contradicts(graph, changed), false


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Scene((CAT, DOG), "left of", "street"), False),
        (Scene((DOG, CAT), "right of"), False),
        (Scene((DOG, CAT), "left of"), True),
        (Scene((CAT,)), False),
        (Scene((Thing("cat"),), place="street", time="night"), False),
        (Scene((CAT,), place="snow"), True),
        (Scene((Thing("cat", "white"),)), True),
        (Scene((Thing("cat", count=2),)), True),
        (Scene((Thing("bird"),)), True),
        (Scene((CAT,), sign="OPEN"), True),
    ],
)
def test_what_may_be_said_of_a_scene(said: Scene, wrong: bool) -> None:
    shown = Scene((CAT, DOG), "left of", "street", None, "clear")
    assert scenes_contradict(shown, said) == wrong


def test_above_and_on_top_of_may_both_be_said() -> None:
    above = Scene((CAT, DOG), "above")
    assert not scenes_contradict(above, Scene((CAT, DOG), "on top of"))
    assert not scenes_contradict(above, Scene((DOG, CAT), "below"))
    assert scenes_contradict(above, Scene((DOG, CAT), "on top of"))


def test_an_eyering_that_is_not_there_has_no_colour() -> None:
    world = WORLDS["birds"]
    assert world.contradicts(Bird(eyering="none"), Bird(eyering_colour="red"))
    assert world.contradicts(Bird(eyering_colour="red"), Bird(eyering="none"))
    assert not world.contradicts(Bird(eyering="round"), Bird(eyering_colour="red"))


@pytest.mark.parametrize("name", WORLDS)
def test_wrong_captions_are_wrong_by_one_atom_and_never_show_what_is_held_out(name: str) -> None:
    world = WORLDS[name]
    for number in range(12):
        graph = world.fresh(7, 4 * number + 1, 16)[1]
        assert not world.never_shown(graph)
        pairs = wrong_captions(world, graph, random_for(8, number), 6)
        assert len(pairs) >= 5
        assert all(pair.right != pair.text and pair.kind in world.values for pair in pairs)
        held_out = world.fresh(7, 4 * number + 3, 16)[1]
        assert world.never_shown(held_out)
        assert wrong_captions(world, held_out, random_for(8, number), 2)


def test_a_ring_that_is_not_there_is_falsified_by_one_that_is_seen() -> None:
    world = WORLDS["birds"]
    for number in range(40):
        bare = replace(world.fresh(7, 4 * number + 1, 16)[1], eyering="none", eyering_colour=None)
        changed = {false.kind: graph for false, graph in world.falsified(bare, random_for(8, number))}[
            "eyering"
        ]
        assert changed.eyering != "none" and changed.eyering_colour not in (None, bare.colour)
        for pair in wrong_captions(world, bare, random_for(9, number), 6):
            assert pair.text != pair.right and not (pair.kind == "eyering" and "no eyering" in pair.text)


@pytest.mark.parametrize("name", WORLDS)
def test_a_picture_of_what_is_said_passes_the_checker(name: str) -> None:
    world, right, total = WORLDS[name], 0, 0
    for number, prompt in enumerate([*world.frozen("seen")[:4], *world.frozen("held_out")[:4]]):
        pixels = world.picture(prompt.scene, random_for(9, number), 128)
        assert pixels.shape == (128, 128, 3) and pixels.dtype == np.uint8
        again = world.picture(prompt.scene, random_for(9, number), 128)
        assert np.array_equal(pixels, again)
        verdicts = world.judge(pixels, [prompt.scene])[0]
        right, total = right + sum(v.holds for v in verdicts), total + len(verdicts)
    assert right >= 0.95 * total


@pytest.mark.parametrize("name", WORLDS)
def test_classes_are_sentences_of_the_world(name: str) -> None:
    world = WORLDS[name]
    words = {part for word in world.vocabulary() for part in word.split("-")}
    classes = world.classes()
    assert len(set(classes)) == len(classes) >= 20
    assert all(part in words for text in classes for word in text.split() for part in word.split("-"))


def test_a_bird_of_which_all_is_said_is_drawn_as_it_is() -> None:
    world = WORLDS["birds"]
    whole = world.fresh(10, 1, 16)[1]
    assert world.picture(replace(whole), random_for(1, 1), 32).shape == (32, 32, 3)
