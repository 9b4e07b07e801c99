"""Which scenes there are: sampling, and the attribute pairs that training never sees.

A pair (subject, colour) or (subject, place) is held out by a hash of its words, about one in twelve, so that
compositional accuracy can be told from memory: each word of such a pair is learned, the pair is not.
Scenes are drawn by seed and index, so scene 17 of seed 3 is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from .palette import COLOURS
from .scene import INDOORS, MAX_COUNT, PLACES, RELATIONS, SIGN_WORDS, SIZES, TIMES, WEATHERS, Scene, Thing
from .subjects import SUBJECTS

Pair = tuple[str, str, str]
"""What is paired (colour, place, ...), and the two words."""

SHOWN: frozenset[Pair] = frozenset(
    {
        ("colour", "apple", "red"), ("colour", "apple", "green"), ("place", "apple", "table"),
        ("place", "person", "mountain"), ("place", "person", "street"), ("colour", "car", "red"),
        ("colour", "car", "blue"), ("place", "car", "street"), ("place", "cat", "snow"),
        ("colour", "cat", "black"), ("colour", "cat", "orange"), ("place", "boat", "sea"),
        ("colour", "boat", "white"), ("place", "robot", "desert"), ("colour", "robot", "blue"),
        ("place", "astronaut", "desert"), ("colour", "umbrella", "yellow"), ("place", "house", "meadow"),
        ("colour", "house", "purple"), ("place", "torch", "forest"), ("colour", "dog", "brown"),
    }
)  # fmt: skip
"""Pairs in the sentences of the documentation: never held out."""


def is_held_out(pair: Pair) -> bool:
    """Whether training must never show this pair."""
    digest = hashlib.sha256(":".join(pair).encode()).digest()
    return pair not in SHOWN and int.from_bytes(digest[:4], "big") % 12 == 0


def _all_pairs() -> Iterator[Pair]:
    for subject in SUBJECTS:
        yield from (("colour", subject, colour) for colour in COLOURS)
        yield from (("place", subject, place) for place in PLACES)


HELD_OUT: frozenset[Pair] = frozenset(pair for pair in _all_pairs() if is_held_out(pair))


def pairs(scene: Scene) -> set[Pair]:
    """The attribute pairs that a scene shows."""
    found: set[Pair] = set()
    for thing in scene.things:
        if thing.colour is not None:
            found.add(("colour", thing.subject, thing.colour))
        if scene.place is not None:
            found.add(("place", thing.subject, scene.place))
    return found


def random_for(seed: int, index: int) -> np.random.Generator:
    """The generator that draws everything about scene `index` of `seed`."""
    return np.random.Generator(np.random.SFC64([seed, index]))


def _thing(rng: np.random.Generator, subjects: list[str], count: int) -> Thing:
    subject = subjects[rng.integers(len(subjects))]
    colour = list(COLOURS)[rng.integers(len(COLOURS))]
    return Thing(subject, colour, SIZES[rng.integers(3)], count)


def _any_scene(rng: np.random.Generator) -> Scene:
    names, kind = list(SUBJECTS), rng.random()
    relation: str | None = None
    things: tuple[Thing, ...]
    if kind < 0.5:
        things = (_thing(rng, names, 1),)
    elif kind < 0.74:
        things = (_thing(rng, names, int(rng.integers(2, MAX_COUNT + 1))),)
    else:
        first = _thing(rng, names, 1)
        relation = RELATIONS[rng.integers(len(RELATIONS))]
        rest = [n for n in names if n != first.subject and (relation != "on top of" or SUBJECTS[n].top)]
        second = _thing(rng, rest, 1)
        while second.colour == first.colour and rng.random() < 0.8:
            second = _thing(rng, rest, 1)
        things = (first, second)
    place = PLACES[rng.integers(len(PLACES))]
    time = TIMES[rng.choice(3, p=(0.6, 0.2, 0.2))]
    weather = "clear" if place in INDOORS else WEATHERS[rng.choice(3, p=(0.76, 0.12, 0.12))]
    sign = (
        SIGN_WORDS[rng.integers(len(SIGN_WORDS))]
        if len(things) == 1 and things[0].count == 1 and rng.random() < 0.1
        else None
    )
    return Scene(things, relation, place, time, weather, sign)


def sample(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """A whole scene: without any held-out pair (all that training ever sees), or with at least one."""
    while True:
        scene = _any_scene(rng)
        if bool(pairs(scene) & HELD_OUT) == held_out:
            return scene
