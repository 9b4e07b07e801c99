"""Birds in words, in the manner of CUB's captions: part by part, a little stiff, never saying all.

`describe` gives the words together with the bird as far as it was said, which is what a picture drawn from them
can be held to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..captions import COLOUR_WORDS
from .bird import ABSENT, Bird

Rng = np.random.Generator

WORDS_OF = {**COLOUR_WORDS, "grey": ("grey", "gray"), "brown": ("brown",), "white": ("white",)}
PART_WORDS = {
    "crown": ("crown", "cap"),
    "throat": ("throat",),
    "breast": ("breast", "chest"),
    "belly": ("belly", "abdomen", "underside"),
    "back": ("back",),
    "wing": ("wings", "wing"),
    "tail": ("tail",),
    "legs": ("legs", "feet"),
}
BILL_WORDS = ("bill", "beak")
RING_WORDS = {"round": ("round",), "thick": ("thick", "wide")}
SHAPE_WORDS = {
    "short": ("short",),
    "long": ("long",),
    "hooked": ("hooked", "curved"),
    "cone": ("cone-shaped", "thick"),
}
BODY_WORDS = {
    "plump": ("plump", "round", "chubby"),
    "slender": ("slender", "slim"),
    "upright": ("upright",),
    "longlegged": ("long-legged",),
}
SETTING_WORDS = {
    "perch": ("perched on a branch", "sitting on a branch", "standing on a branch"),
    "ground": ("standing on the ground", "on the ground"),
}
NO_WORDS = {"eyering": ("no eyering",), "wingbars": ("no wingbars", "plain wings without wingbars")}
_ALIKE = ("throat", "breast", "belly", "back")  # of one colour they are named together
_COUNTS = (1, 2, 2, 2, 3, 3, 4)  # parts in a caption


def _pick(rng: Rng, words: Sequence[str], plain: float = 0.65) -> str:
    return words[0] if len(words) == 1 or rng.random() < plain else words[int(rng.integers(1, len(words)))]


def _a(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _joined(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    return ", ".join(words[:-1]) + (" and " if len(words) == 2 else ", and ") + words[-1]


def _coloured(rng: Rng, adjectives: list[str], name: str, plural: bool = False, several: bool = False) -> str:
    """One of: "a round black eyering", "a black round eyering", "a black eyering that is round"."""
    order = [adjectives[k] for k in rng.permutation(len(adjectives))] if rng.random() < 0.3 else adjectives
    if order and rng.random() < 0.28:
        behind = order[:1]
        words = " ".join([*order[1:], name])
        verb = "are" if plural or several else "is"
        return f"{words if plural else _a(words)} that {verb} {behind[0]}"
    words = " ".join([*order, name])
    return words if plural else _a(words)


def _eyering(bird: Bird, rng: Rng, said: dict[str, str | None]) -> str:
    said["eyering"] = bird.eyering
    if bird.eyering == ABSENT or bird.eyering is None or bird.eyering_colour is None:
        return NO_WORDS["eyering"][0]
    said["eyering_colour"] = bird.eyering_colour
    colour = _pick(rng, WORDS_OF[bird.eyering_colour], 0.9)
    if rng.random() < 0.25:
        said["eyering"] = None
        return _coloured(rng, [colour], "eyering")
    return _coloured(rng, [_pick(rng, RING_WORDS[bird.eyering]), colour], "eyering")


def _bill(bird: Bird, rng: Rng, said: dict[str, str | None]) -> str:
    adjectives, kept = [], rng.random()
    if bird.bill is not None and kept < 0.85:
        said["bill"] = bird.bill
        adjectives.append(_pick(rng, SHAPE_WORDS[bird.bill], 0.8))
    if bird.bill_colour is not None and not 0.6 < kept < 0.85:
        said["bill_colour"] = bird.bill_colour
        adjectives.append(_pick(rng, WORDS_OF[bird.bill_colour], 0.9))
    return _coloured(rng, adjectives, _pick(rng, BILL_WORDS, 0.6))


def _wingbars(bird: Bird, rng: Rng, said: dict[str, str | None]) -> str:
    said["wingbars"] = bird.wingbars
    if bird.wingbars is None or bird.wingbars == ABSENT:
        return _pick(rng, NO_WORDS["wingbars"], 0.8)
    number = "two " if rng.random() < 0.3 else ""
    return number + _coloured(rng, [_pick(rng, WORDS_OF[bird.wingbars], 0.95)], "wingbars", plural=True)


def _part(bird: Bird, kind: str, rng: Rng, said: dict[str, str | None]) -> str:
    """One part, and with it those of the same colour that it is named together with."""
    colour = getattr(bird, kind)
    together = [kind]
    if kind in _ALIKE and rng.random() < 0.5:
        together += [
            other
            for other in _ALIKE
            if other != kind and said[other] is None and getattr(bird, other) == colour
        ][:1]
    for each in together:
        said[each] = colour
    names = [_pick(rng, PART_WORDS[each], 0.75) for each in together]
    plural = kind == "legs" or names[0] == "wings"
    colours = [_pick(rng, WORDS_OF[colour], 0.85)]
    return _coloured(rng, colours, " and ".join(names), plural, len(names) > 1)


_SAID = {"crown": 1.2, "eyering": 1.0, "bill": 1.6, "throat": 0.9, "breast": 1.2, "belly": 1.5, "back": 0.9,
         "wing": 1.5, "wingbars": 0.9, "tail": 0.9, "legs": 0.8}  # fmt: skip
"""How often each part is named, to each other; one that is not there a quarter as often."""


def describe(bird: Bird, rng: Rng) -> tuple[str, Bird]:
    """One caption of a whole bird, and the bird as far as the caption says it."""
    said: dict[str, str | None] = dict.fromkeys(Bird.__dataclass_fields__)
    weights = np.array([
        share * (0.25 if getattr(bird, kind) == ABSENT else 1.0) for kind, share in _SAID.items()
    ])  # fmt: skip
    count = int(_COUNTS[int(rng.integers(len(_COUNTS)))])
    phrases = []
    for kind in rng.choice(list(_SAID), count, replace=False, p=weights / weights.sum()):
        if said.get(str(kind)) is not None:
            continue  # named together with another
        if kind == "eyering":
            phrases.append(_eyering(bird, rng, said))
        elif kind == "bill":
            phrases.append(_bill(bird, rng, said))
        elif kind == "wingbars":
            phrases.append(_wingbars(bird, rng, said))
        else:
            phrases.append(_part(bird, str(kind), rng, said))
    return _sentence(bird, rng, said, _joined(phrases)), Bird(**said)


def _sentence(bird: Bird, rng: Rng, said: dict[str, str | None], parts: str) -> str:
    before, setting = [], ""
    if bird.body is not None and rng.random() < 0.35:
        said["body"] = bird.body
        before.append(_pick(rng, BODY_WORDS[bird.body]))
    coloured = bird.colour is not None and rng.random() < 0.35
    colour = _pick(rng, WORDS_OF[bird.colour], 0.85) if coloured and bird.colour else ""
    if coloured:
        said["colour"] = bird.colour
    if bird.setting is not None and rng.random() < 0.25:
        said["setting"] = bird.setting
        setting = " " + _pick(rng, SETTING_WORDS[bird.setting])
    named = " ".join([*before, "bird"])
    full = " ".join([*before, *([colour] if colour else []), "bird"])
    form = int(rng.integers(6))
    if form == 0 and colour:
        return f"this {named} is {colour} with {parts}" + (f", {setting.strip()}" if setting else "")
    if form <= 2:
        return f"{'the' if form == 1 else 'this'} {full} has {parts}" + (
            f" and is{setting}" if setting else ""
        )
    if form == 3:
        return f"this is {_a(full)}{setting} with {parts}"
    return (
        f"{_a(full)}{setting} with {parts}"
        if form == 4
        else f"{_a(full)} with {parts}{setting and ','}{setting}"
    )


def captions(bird: Bird, rng: Rng, count: int = 10) -> list[str]:
    """Several different wordings of a bird; CUB has ten."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[describe(bird, rng)[0]] = None
    return list(found)


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can have, in lower case, sorted."""
    tables = (WORDS_OF, PART_WORDS, RING_WORDS, SHAPE_WORDS, BODY_WORDS, SETTING_WORDS, NO_WORDS)
    texts = [word for table in tables for words in table.values() for word in words]
    texts += [*BILL_WORDS, "eyering wingbars two a an the this is are has that bird with and"]
    return tuple(sorted({word for text in texts for word in re.findall(r"[a-z0-9-]+", text.lower())}))
