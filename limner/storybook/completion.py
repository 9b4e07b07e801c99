"""A scene of which all is said, from one of which some is: what was not said comes at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .grammar import sample
from .palette import COLOURS
from .scene import INDOORS, PLACES, RELATIONS, SIZES, Scene, Thing
from .subjects import SUBJECTS

Rng = np.random.Generator


def completed(said: Scene, rng: Rng) -> Scene:
    """A whole scene of which `said` is true; it shows nothing more than what is named."""
    whole = sample(rng)
    place = said.place or _one(
        rng, [p for p in PLACES if said.weather in (None, "clear") or p not in INDOORS]
    )
    weather = said.weather or ("clear" if place in INDOORS else whole.weather)
    taken = {thing.colour for thing in said.things}
    things = tuple(_whole(thing, taken, rng) for thing in said.things)
    return Scene(things, _relation(said, rng), place, said.time or whole.time, weather, said.sign)


def _whole(thing: Thing, taken: set[str | None], rng: Rng) -> Thing:
    colour = thing.colour or _one(rng, [name for name in COLOURS if name not in taken])
    return replace(thing, colour=colour, size=thing.size or _one(rng, SIZES))


def _relation(said: Scene, rng: Rng) -> str | None:
    if len(said.things) < 2 or said.relation is not None:
        return said.relation
    top = SUBJECTS[said.things[1].subject].top
    return _one(rng, [name for name in RELATIONS if top or name != "on top of"])


def _one(rng: Rng, values: list[str] | tuple[str, ...]) -> str:
    return values[int(rng.integers(len(values)))]
