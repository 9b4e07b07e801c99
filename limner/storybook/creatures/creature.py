"""What a pocket monster is made of, and the statements that can be checked about a picture of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..grammar import Pair, is_held_out
from ..palette import COLOURS
from ..scene import Statement

BODIES = ("round", "tall", "drop", "fourlegged", "serpent")
EYES = ("1", "2", "3")
HORNS = ("0", "1", "2")
WINGS = ("none", "bat", "feathered")
TAILS = ("none", "pointed", "fluffy")
PATTERNS = ("plain", "spots", "stripes")

VALUES: dict[str, tuple[str, ...]] = {
    "body": BODIES,
    "colour": tuple(COLOURS),
    "eyes": EYES,
    "horns": HORNS,
    "wings": WINGS,
    "tail": TAILS,
    "pattern": PATTERNS,
}
"""What a statement of each kind can say."""


@dataclass(frozen=True)
class Creature:
    """One pocket monster. A None is something that a caption did not say; eyes and horns are counted."""

    body: str | None
    colour: str | None
    eyes: str | None
    horns: str | None
    wings: str | None
    tail: str | None
    pattern: str | None


def statements(creature: Creature) -> tuple[Statement, ...]:
    """All that is said of a creature."""
    return tuple(Statement(kind, value) for kind in VALUES if (value := getattr(creature, kind)) is not None)


def with_statement(creature: Creature, statement: Statement) -> Creature:
    """The creature with one trait set to the statement's value; this is how it is falsified."""
    changed: dict[str, str] = {statement.kind: statement.value}
    return replace(creature, **changed)


ABSENT = ("0", "none", "plain")
"""Values that say what a creature has not."""
_PAIRED = ("colour", "wings")
HELD_OUT: frozenset[Pair] = frozenset(
    (kind, body, value)
    for kind in _PAIRED
    for body in BODIES
    for value in VALUES[kind]
    if value not in ABSENT and is_held_out((f"creatures {kind}", body, value))
)
"""Pairs of a body with another trait that training never shows, about one in twelve, chosen by hash."""


def pairs(creature: Creature) -> set[Pair]:
    """The pairs of traits that a creature shows, of those that may be held out."""
    found = ((kind, getattr(creature, kind)) for kind in _PAIRED)
    return {
        (kind, creature.body, value) for kind, value in found if creature.body and value not in (None, "none")
    }


def sample(rng: np.random.Generator, held_out: bool = False) -> Creature:
    """A whole creature at random, with a held-out pair or without any; the rarer traits of a kind come less often."""
    while True:
        creature = _any_creature(rng)
        if bool(pairs(creature) & HELD_OUT) == held_out:
            return creature


def _any_creature(rng: np.random.Generator) -> Creature:
    def one(kind: str, weights: tuple[float, ...]) -> str:
        return str(rng.choice(VALUES[kind], p=np.array(weights) / sum(weights)))

    return Creature(
        body=one("body", (1,) * len(BODIES)),
        colour=one("colour", (1,) * len(COLOURS)),
        eyes=one("eyes", (1, 2, 1)),
        horns=one("horns", (2, 1, 1)),
        wings=one("wings", (2, 1, 1)),
        tail=one("tail", (1, 1, 1)),
        pattern=one("pattern", (2, 1, 1)),
    )
