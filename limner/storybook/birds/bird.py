"""What a bird is made of, and the statements that can be checked about a picture of one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from ..grammar import Pair, is_held_out
from ..palette import COLOURS
from ..scene import Statement

BODIES = ("plump", "slender", "upright", "longlegged")
SETTINGS = ("perch", "ground")
ABSENT = "none"
_ANY = (*COLOURS, "grey")
_RINGS = ("white", "black", "yellow", "orange", "red", "blue")
_BARE = ("black", "grey", "yellow", "orange", "red", "brown")

VALUES: dict[str, tuple[str, ...]] = {
    "body": BODIES,
    "setting": SETTINGS,
    "colour": _ANY,
    "crown": _ANY,
    "eyering": ("round", "thick", ABSENT),
    "eyering_colour": _RINGS,
    "bill": ("short", "long", "hooked", "cone"),
    "bill_colour": _BARE,
    "throat": _ANY,
    "breast": _ANY,
    "belly": _ANY,
    "back": _ANY,
    "wing": _ANY,
    "wingbars": (ABSENT, "white", "black", "yellow", "orange", "blue"),
    "tail": _ANY,
    "legs": (*_BARE, "pink"),
}
"""What a statement of each kind can say; `colour` is that of the face and of all that has no name of its own."""


@dataclass(frozen=True)
class Bird:
    """One bird. A None is something that a caption did not say, or the colour of an eyering that is not there."""

    body: str | None = None
    setting: str | None = None
    colour: str | None = None
    crown: str | None = None
    eyering: str | None = None
    eyering_colour: str | None = None
    bill: str | None = None
    bill_colour: str | None = None
    throat: str | None = None
    breast: str | None = None
    belly: str | None = None
    back: str | None = None
    wing: str | None = None
    wingbars: str | None = None
    tail: str | None = None
    legs: str | None = None


def statements(bird: Bird) -> tuple[Statement, ...]:
    """All that is said of a bird."""
    return tuple(Statement(kind, value) for kind in VALUES if (value := getattr(bird, kind)) is not None)


def with_statement(bird: Bird, statement: Statement) -> Bird:
    """The bird with one trait set to the statement's value; this is how it is falsified."""
    changed: dict[str, str] = {statement.kind: statement.value}
    return replace(bird, **changed)


PART_OF = {"eyering_colour": "eyering", "bill_colour": "bill"} | {
    part: part for part in ("crown", "throat", "breast", "belly", "back", "wing", "wingbars", "tail", "legs")
}
"""The part whose colour a kind of statement says."""

SHOWN: frozenset[Pair] = frozenset(
    ("part", part, colour)
    for part, colour in (
        ("crown", "yellow"), ("eyering", "black"), ("crown", "red"), ("belly", "white"), ("wing", "black"),
        ("wing", "brown"), ("bill", "orange"), ("breast", "yellow"), ("wingbars", "white"), ("eyering", "white"),
        ("throat", "red"), ("wing", "blue"), ("back", "grey"), ("tail", "black"), ("legs", "orange"), ("bill", "black"),
    )
)  # fmt: skip
"""Pairs in the sentences of the documentation: never held out."""

HELD_OUT: frozenset[Pair] = frozenset(
    pair
    for kind, part in PART_OF.items()
    for colour in VALUES[kind]
    if colour != ABSENT
    and (pair := ("part", part, colour)) not in SHOWN
    and is_held_out((f"bird {part}", part, colour))
)
"""Pairs of a part and its colour that training never shows, about one in twelve, chosen by hash."""


def pairs(bird: Bird) -> set[Pair]:
    """The pairs of a part and its colour that a bird shows."""
    found = ((part, getattr(bird, kind)) for kind, part in PART_OF.items())
    return {("part", part, colour) for part, colour in found if colour not in (None, ABSENT)}


def sample(rng: np.random.Generator, held_out: bool = False) -> Bird:
    """A whole bird at random, with a held-out pair or without any.

    A bird wears few colours, as birds do: its own, one for the upper parts, one for the lower, and one that shines.
    """
    while True:
        bird = _any_bird(rng)
        if bool(pairs(bird) & HELD_OUT) == held_out:
            return bird


def _any_bird(rng: np.random.Generator) -> Bird:
    def one(kind: str, but: tuple[str | None, ...] = (), weights: tuple[float, ...] | None = None) -> str:
        share = np.array(weights or (1,) * len(VALUES[kind]), float) * [v not in but for v in VALUES[kind]]
        return str(rng.choice(VALUES[kind], p=share / share.sum()))

    colour, upper, lower, bright = (_ANY[int(rng.integers(len(_ANY)))] for _ in range(4))

    def worn(*shares: float) -> str:
        return str(rng.choice((colour, upper, lower, bright), p=np.array(shares) / sum(shares)))

    wing = worn(2, 5, 0.5, 2)
    eyering = one("eyering", weights=(4, 3, 3))
    return Bird(
        body=one("body"),
        setting=one("setting"),
        colour=colour,
        crown=worn(2.5, 2, 0.5, 5),
        eyering=eyering,
        eyering_colour=None if eyering == ABSENT else one("eyering_colour", (colour,)),
        bill=one("bill"),
        bill_colour=one("bill_colour"),
        throat=worn(3, 0.5, 3, 4),
        breast=worn(3, 0.5, 4, 3),
        belly=worn(1.5, 0.5, 7, 1.5),
        back=worn(3.5, 5, 0.5, 1),
        wing=wing,
        wingbars=one("wingbars", (wing,), (4, 3, 1, 1, 1, 1)),
        tail=worn(2, 5, 1, 2),
        legs=one("legs"),
    )


def completed(said: Bird, rng: np.random.Generator) -> Bird:
    """A whole bird of which `said` is true; what it does not say comes at random, as `sample` has it."""
    known = {kind: value for kind, value in asdict(said).items() if value is not None}
    while True:
        made = replace(sample(rng), **known)
        if made.eyering == ABSENT and said.eyering_colour is not None:
            made = replace(made, eyering="round")
        if made.eyering == ABSENT:
            made = replace(made, eyering_colour=None)
        elif made.eyering_colour is None:
            made = replace(made, eyering_colour=_RINGS[int(rng.integers(len(_RINGS)))])
        told_apart = made.eyering_colour != made.colour and made.wingbars != made.wing
        if told_apart or statements(made) == statements(said):
            return made
