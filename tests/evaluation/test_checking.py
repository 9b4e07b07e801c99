from __future__ import annotations

import numpy as np

from limner.evaluation.checking import accuracy
from limner.storybook.falsify import VALUES, at_random, falsified
from limner.storybook.grammar import random_for, sample
from limner.storybook.scene import Statement, statements, with_statement
from limner.storybook.worlds import world

SCENES = world("scenes")


def test_a_falsified_statement_differs_in_its_value_alone() -> None:
    for index in range(60):
        rng = random_for(11, index)
        scene = sample(rng)
        for said in statements(scene):
            false = falsified(scene, said, rng)
            assert (false.kind, false.thing) == (said.kind, said.thing)
            assert false.value in VALUES[said.kind]
            assert false.value != said.value
            assert false in statements(with_statement(scene, false))
            if said.kind == "subject":
                assert false.value not in {thing.subject for thing in scene.things}


def test_a_scene_at_random_says_as_much() -> None:
    for index in range(60):
        rng = random_for(12, index)
        scene = SCENES.fresh(12, index, 32)[1]
        other = at_random(scene, rng)
        assert [(s.kind, s.thing) for s in statements(other)] == [
            (s.kind, s.thing) for s in statements(scene)
        ]
        assert len({thing.subject for thing in other.things}) == len(other.things)


def test_accuracy_counts_every_statement_once() -> None:
    said = [s for index in range(6) for s in statements(SCENES.fresh(13, index, 128)[1])]
    done: list[int] = []
    found = accuracy("scenes", 6, seed=13, on_checked=done.append)
    assert done == [6]
    for rows in (found.true, found.falsified):
        assert {kind: rate.total for kind, rate in rows.statements.items()} == {
            kind: sum(s.kind == kind for s in said) for kind in VALUES
        }
    assert found.true.all_correct.accepted > found.falsified.all_correct.accepted == 0


def test_a_transformation_that_loses_everything_is_seen() -> None:
    found = accuracy("scenes", 4, seed=13, transform=lambda pictures: np.zeros_like(pictures))
    assert found.true.statements["subject"].accepted == 0
    assert isinstance(statements(SCENES.fresh(13, 0, 128)[1])[0], Statement)
