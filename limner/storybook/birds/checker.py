"""A rule-based checker of birds: which of their traits a picture shows.

It lays drawings of birds over the picture and looks for the one that is nearest: first body, setting, facing and
place, then posture and the shapes of bill, eyering and wingbars; which colours suit best follows (`fitting`). A trait
holds where its value wins. It judges models; it is never used to train one or to pick pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..verdict import Verdict
from .bird import ABSENT, BODIES, SETTINGS, VALUES, Bird, statements
from .fitting import Canvas, Fit
from .outlines import Pose
from .plumage import PARTS

_COARSE, _FINE = 48, 96
_EXPLAINED = 0.9  # a bird is there where drawing it leaves less than this share of what is without it
_STEPS = (0.02, 0.012, 0.006)  # of the placing, as shares of the picture, round by round
_POSTURES = (-1.0, -0.5, 0.0, 0.5, 1.0)
_SHAPES = {
    "setting": SETTINGS,
    "bill": VALUES["bill"],
    "eyering": VALUES["eyering"],
    "wingbars": (ABSENT, "white"),
}

End = tuple[Fit, Bird, Pose]


@dataclass(frozen=True)
class Reading:
    """What the checker sees: how far the nearest bird is, and with each other trait.

    `bare` is how far the picture is from its surroundings without a bird.
    """

    cost: float
    bare: float
    costs: dict[str, dict[str, float]]


def _starts() -> Iterator[tuple[Bird, Pose]]:
    plain = Bird(bill="short", eyering="round", wingbars=ABSENT)
    for body, setting, mirrored, side, posture in product(
        BODIES, SETTINGS, (False, True), (0.83, 0.88), (-0.5, 0.5)
    ):
        yield replace(plain, body=body, setting=setting), Pose(posture, mirrored, side, 0.5, 0.885)


def _moves(how: Pose, step: float) -> Iterator[Pose]:
    for sign in (-step, step):
        yield replace(how, side=how.side + sign)
        yield replace(how, middle=how.middle + sign)
        yield replace(how, base=how.base + sign)
    place = _POSTURES.index(how.posture)
    for near in (place - 1, place + 1):
        if 0 <= near < len(_POSTURES):
            yield replace(how, posture=_POSTURES[near])


def read(pixels: NDArray[np.uint8]) -> Reading:
    """Find the bird nearest to a picture, uint8 (H, W, 3)."""
    coarse, fine = Canvas(pixels, _COARSE), Canvas(pixels, _FINE)
    tried = [(coarse.fit(shape, how), shape, how) for shape, how in _starts()]
    ends = {}
    for body in BODIES:
        start = min((one for one in tried if one[1].body == body), key=lambda one: one[0].cost)
        ends[body] = _descend(coarse, start, _STEPS[:2], ("setting", "wingbars"))
    chosen = min(ends.values(), key=lambda end: end[0].cost)
    fit, shape, how = _descend(fine, (fine.fit(*chosen[1:]), *chosen[1:]), _STEPS[1:])
    nods = [
        (_with(shape, "bill", bill), replace(how, posture=nod))
        for bill in VALUES["bill"]
        for nod in _POSTURES
    ]
    nodding = min(((fine.fit(*one), *one) for one in nods), key=lambda end: end[0].cost)
    fit, shape, how = _descend(fine, nodding, _STEPS[2:])
    costs = {kind: dict(fit.parts[kind]) for kind in PARTS.values()}
    costs["body"] = {body: end[0].cost for body, end in ends.items()}
    for kind, values in _SHAPES.items():
        found = {value: fine.fit(_with(shape, kind, value), how) for value in values}
        costs[kind] = {value: one.cost for value, one in found.items()}
        if kind == "eyering":
            costs["eyering_colour"] = _nearest(found, "eyering_colour")
        if kind == "wingbars":
            costs[kind] = {ABSENT: found[ABSENT].cost, **_nearest(found, kind)}
    return Reading(fit.cost, fine.bare(how), costs)


def _nearest(found: dict[str, Fit], kind: str) -> dict[str, float]:
    """How far the picture is with each value of a colour, in whatever shape suits it."""
    near: dict[str, float] = {}
    for fit in found.values():
        for value, cost in fit.parts[kind].items():
            near[value] = min(cost, near.get(value, cost))
    return near


def _with(shape: Bird, kind: str, value: str) -> Bird:
    changed: dict[str, str] = {kind: value}
    return replace(shape, **changed)


def _descend(
    canvas: Canvas, end: End, steps: tuple[float, ...], kinds: Sequence[str] = tuple(_SHAPES)
) -> End:
    """Change one thing after another, placing or shape, as long as it brings the drawing nearer."""
    fit, shape, how = end
    for step in steps:
        for other in _moves(how, step):
            if (found := canvas.fit(shape, other)).cost < fit.cost:
                fit, how = found, other
        for kind in kinds:
            for value in _SHAPES[kind]:
                changed = _with(shape, kind, value)
                if changed != shape and (found := canvas.fit(changed, how)).cost < fit.cost:
                    fit, shape = found, changed
    return fit, shape, how


def is_there(reading: Reading) -> bool:
    """Whether there is a bird at all."""
    return reading.cost < _EXPLAINED * reading.bare


def verdicts(reading: Reading, bird: Bird) -> tuple[Verdict, ...]:
    """The verdicts on all that is said of a bird, for a picture that was read."""
    there = is_there(reading)
    ring = min(reading.costs["eyering"], key=reading.costs["eyering"].__getitem__)
    found = []
    for said in statements(bird):
        costs = reading.costs[said.kind]
        best = min(costs, key=costs.__getitem__)
        holds = there and best == said.value and (said.kind != "eyering_colour" or ring != ABSENT)
        told = f"{costs[said.value]:.2f}" if said.value in costs else "no nearer"
        found.append(Verdict(said, holds, f"nearest with {best} ({costs[best]:.2f}); {said.value} {told}"))
    return tuple(found)


def check(pixels: NDArray[np.uint8], bird: Bird) -> tuple[Verdict, ...]:
    """Which statements about a bird hold for a picture, uint8 (H, W, 3)."""
    return verdicts(read(pixels), bird)
