"""Creatures in words, in the manner of machine-written captions: flat, a little repetitive, never saying all.

`describe` gives the words together with the creature as far as it was said, which is what a picture drawn from
them can be held to.
"""

from __future__ import annotations

import re

import numpy as np

from ..captions import COLOUR_WORDS
from .creature import ABSENT, Creature

Rng = np.random.Generator

OPENINGS = (
    "",
    "a drawing of ",
    "a cartoon of ",
    "an illustration of ",
    "a picture of ",
    "there is ",
    "a close up of ",
)
NAMES = ("creature", "monster", "pocket monster", "little monster", "cartoon creature", "fantasy creature")
CLOSINGS = (
    *("", "", "", " on a plain background"),
    *(" standing there", ", cartoon style", ", very cute", " that looks happy"),
)
BODY_WORDS = {
    "round": ("round", "ball-shaped", "chubby"),
    "tall": ("tall", "pill-shaped"),
    "drop": ("drop-shaped", "pear-shaped"),
    "fourlegged": ("four-legged",),
    "serpent": ("snake-like", "serpent-like"),
}
EYE_WORDS = {
    "1": ("one eye", "a single eye", "one big eye"),
    "2": ("two eyes", "two big eyes"),
    "3": ("three eyes",),
}
HORN_WORDS = {
    "0": ("no horns",),
    "1": ("one horn", "a horn on its head"),
    "2": ("two horns", "a pair of horns"),
}
WING_WORDS = {
    "none": ("no wings",),
    "bat": ("bat wings", "leathery wings", "wings like a bat"),
    "feathered": ("feathered wings", "feathery wings", "wings like a bird"),
}
TAIL_WORDS = {
    "none": ("no tail",),
    "pointed": ("a pointed tail", "a tail with an arrow tip"),
    "fluffy": ("a fluffy tail", "a bushy tail"),
}
PATTERN_WORDS = {
    "plain": ("plain skin",),
    "spots": ("spots", "spots on its body"),
    "stripes": ("stripes", "stripes on its body"),
}
_ADJECTIVES = {"spots": "spotted", "stripes": "striped"}
_TRAITS = {
    "eyes": EYE_WORDS,
    "horns": HORN_WORDS,
    "wings": WING_WORDS,
    "tail": TAIL_WORDS,
    "pattern": PATTERN_WORDS,
}
_SAID = {"eyes": 0.55, "horns": 0.85, "wings": 0.9, "tail": 0.75, "pattern": 0.85}
_ABSENT_SAID = 0.12


def _pick(rng: Rng, words: tuple[str, ...], plain: float = 0.6) -> str:
    return words[0] if len(words) == 1 or rng.random() < plain else words[int(rng.integers(1, len(words)))]


def describe(creature: Creature, rng: Rng) -> tuple[str, Creature]:
    """One caption of a whole creature, and the creature as far as the caption says it."""
    said: dict[str, str | None] = dict.fromkeys(Creature.__dataclass_fields__)
    before, traits = [], []
    if creature.colour is not None and rng.random() < 0.92:
        said["colour"] = creature.colour
        before.append(_pick(rng, COLOUR_WORDS[creature.colour], 0.8))
    if creature.body is not None and rng.random() < 0.7:
        said["body"] = creature.body
        before.insert(int(rng.integers(len(before) + 1)), _pick(rng, BODY_WORDS[creature.body]))
    for kind, words in _TRAITS.items():
        value = getattr(creature, kind)
        if value is None or rng.random() >= (_ABSENT_SAID if value in ABSENT else _SAID[kind]):
            continue
        said[kind] = value
        if kind == "pattern" and value in _ADJECTIVES and rng.random() < 0.4:
            before.insert(0, _ADJECTIVES[value])
        else:
            traits.append(_pick(rng, words[value]))
    order = [traits[k] for k in rng.permutation(len(traits))]
    name = " ".join([*before, NAMES[0] if rng.random() < 0.5 else NAMES[int(rng.integers(1, len(NAMES)))]])
    text = ("an " if name[0] in "aeiou" else "a ") + name
    if order:
        text += " with " + (", ".join(order[:-1]) + " and " + order[-1] if len(order) > 1 else order[0])
    opening = OPENINGS[int(rng.integers(len(OPENINGS)))]
    return opening + text + CLOSINGS[int(rng.integers(len(CLOSINGS)))], Creature(**said)


def captions(creature: Creature, rng: Rng, count: int = 5) -> list[str]:
    """Several different wordings of a creature."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[describe(creature, rng)[0]] = None
    return list(found)


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can have, in lower case, sorted."""
    tables = (COLOUR_WORDS, BODY_WORDS, *_TRAITS.values())
    texts = [word for table in tables for words in table.values() for word in words]
    texts += [*OPENINGS, *NAMES, *CLOSINGS, *_ADJECTIVES.values(), "a an with and"]
    return tuple(sorted({word for text in texts for word in re.findall(r"[a-z0-9-]+", text.lower())}))
