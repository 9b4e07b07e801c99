"""Saying what is not so: one atom of a scene replaced, or all of them at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .palette import COLOURS
from .scene import MAX_COUNT, PLACES, RELATIONS, SIGN_WORDS, TIMES, Scene, Statement, Thing
from .subjects import SUBJECTS

VALUES: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(COLOURS),
    "count": tuple(str(n) for n in range(1, MAX_COUNT + 1)),
    "relation": RELATIONS,
    "place": PLACES,
    "time": TIMES,
    "sign": SIGN_WORDS,
}
"""What a statement of each kind can say."""


def falsified(scene: Scene, statement: Statement, rng: np.random.Generator) -> Statement:
    """The statement with another value, drawn at random; never a subject that the scene has anyway."""
    present = {thing.subject for thing in scene.things} if statement.kind == "subject" else {statement.value}
    others = [value for value in VALUES[statement.kind] if value not in present]
    return replace(statement, value=others[int(rng.integers(len(others)))])


def at_random(scene: Scene, rng: np.random.Generator) -> Scene:
    """A scene that says as much as this one, every value drawn at random (the same one may come again)."""

    def some(kind: str, said: str | None) -> str | None:
        return None if said is None else VALUES[kind][int(rng.integers(len(VALUES[kind])))]

    names = rng.permutation(list(SUBJECTS))
    things = tuple(
        Thing(
            str(names[k]),
            some("colour", thing.colour),
            thing.size,
            int(rng.integers(1, MAX_COUNT + 1)),
        )
        for k, thing in enumerate(scene.things)
    )
    return replace(
        scene,
        things=things,
        relation=some("relation", scene.relation),
        place=some("place", scene.place),
        time=some("time", scene.time),
        sign=some("sign", scene.sign),
    )
