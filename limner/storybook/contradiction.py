"""Whether two scene graphs, each saying some of what is so, can be true of one picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .scene import Scene, Thing

_TURNED = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
_PLAIN = {"on top of": "above"}


def contradicting(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Whether any pair of values says two things; a None says nothing."""
    return any(one is not None and other is not None and one != other for one, other in pairs)


def scenes_contradict(shown: Scene, said: Scene) -> bool:
    """Whether a picture that shows `shown`, all of whose things are named, makes what `said` says wrong.

    A thing or a sign that it does not show makes it wrong; one that is left out does not. Above and on top of are
    one.
    """
    if contradicting([(shown.place, said.place), (shown.time, said.time), (shown.weather, said.weather)]):
        return True
    if said.sign is not None and said.sign != shown.sign:
        return True
    there = {thing.subject: thing for thing in shown.things}
    if any(_wrong(there.get(thing.subject), thing) for thing in said.things):
        return True
    return contradicting([(_relation(shown, said), _relation(said, said))])


def _wrong(own: Thing | None, said: Thing) -> bool:
    if own is None or own.count != said.count:
        return True
    return contradicting([(own.colour, said.colour), (own.size, said.size)])


def _relation(scene: Scene, order: Scene) -> str | None:
    """How the first thing of `order` stands to its second, as `scene` says it."""
    if scene.relation is None or len(scene.things) != 2 or len(order.things) != 2:
        return None
    relation = _PLAIN.get(scene.relation, scene.relation)
    same = scene.things[0].subject == order.things[0].subject
    return relation if same else _TURNED[relation]
