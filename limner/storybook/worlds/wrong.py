"""Captions that are wrong of a picture by one atom alone: what a judge of pictures and texts must tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .world import Graph, Rng, World

_TRIES = 4


@dataclass(frozen=True)
class Wrong:
    """A caption, the same with one atom falsified, and the kind of that atom."""

    right: str
    text: str
    kind: str


def wrong_captions(world: World, graph: Graph, rng: Rng, count: int) -> list[Wrong]:
    """At most `count` pairs of a right and a wrong caption of a whole graph, worded alike.

    Of a graph that training may see no wrong caption says a pair that training never sees: it would be learned that
    such a pair is always wrong.
    """
    found: list[Wrong] = []
    free = world.never_shown(graph)
    for _ in range(_TRIES * count):
        if len(found) == count:
            break
        wording = int(rng.integers(2**32))
        right, said = world.describe(graph, _worded(wording))
        options = [
            (false.kind, changed)
            for false, changed in world.falsified(graph, rng)
            if world.contradicts(changed, said) and (free or not world.never_shown(changed))
        ]
        if not options:
            continue
        kind, changed = options[int(rng.integers(len(options)))]
        text, said = world.describe(changed, _worded(wording))
        if text != right and world.contradicts(graph, said):
            found.append(Wrong(right, text, kind))
    return found


def _worded(wording: int) -> Rng:
    return np.random.Generator(np.random.SFC64(wording))
