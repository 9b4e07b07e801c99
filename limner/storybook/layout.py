"""Where things stand: from a scene graph to boxes, drawings and poses in the unit picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .scene import Scene, Thing
from .subjects import SUBJECTS

Rng = np.random.Generator
Drawings = Literal["all", "still", "one"]
_SIZE = {"small": 0.8, "medium": 1.0, "large": 1.18, None: 1.0}
_ALONE = {"small": 0.36, "medium": 0.48, "large": 0.62, None: 0.48}


@dataclass(frozen=True)
class Placed:
    """One drawn subject: its square box (left, top, side), which thing it belongs to, and how it is drawn."""

    thing: int
    subject: str
    colour: str
    drawing: int
    pose: float
    mirrored: bool
    left: float
    top: float
    side: float
    grounded: bool

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """The square that the drawing was made in: left, top, right, bottom as shares of the picture."""
        left, top, side = (round(value, 4) for value in (self.left, self.top, self.side))
        return left, top, round(left + side, 4), round(top + side, 4)


def _placed(
    rng: Rng, k: int, thing: Thing, cx: float, base: float, side: float, drawing: int, grounded: bool
) -> Placed:
    pose = float(rng.integers(-2, 3)) / 2
    return Placed(
        k, thing.subject, thing.colour or "red", drawing, pose, bool(rng.integers(2)),
        cx - side / 2, base - side, side, grounded,
    )  # fmt: skip


def _one(rng: Rng, thing: Thing, k: int, sign: bool) -> list[Placed]:
    side = _ALONE[thing.size] * rng.uniform(0.94, 1.06) * (0.85 if sign else 1.0)
    half = side / 2 + 0.03
    cx = rng.uniform(0.42, 0.66 if sign else 0.58) + (0.08 if sign else 0.0)
    base, grounded = rng.uniform(0.84, 0.95), True
    if SUBJECTS[thing.subject].floats and rng.random() < 0.6:
        base, grounded = rng.uniform(max(side + 0.04, 0.5), max(side + 0.08, 0.7)), False
    drawing = int(rng.integers(len(SUBJECTS[thing.subject].drawings)))
    return [_placed(rng, k, thing, float(np.clip(cx, half, 1 - half)), base, side, drawing, grounded)]


def _several(rng: Rng, thing: Thing, k: int) -> list[Placed]:
    drawing = int(rng.integers(len(SUBJECTS[thing.subject].drawings)))
    spots = {
        2: ((0.27, 0.9), (0.73, 0.9)),
        3: ((0.19, 0.92), (0.5, 0.92), (0.81, 0.92))
        if rng.random() < 0.5
        else ((0.25, 0.95), (0.75, 0.95), (0.5, 0.56)),
        4: ((0.27, 0.53), (0.73, 0.53), (0.27, 0.95), (0.73, 0.95)),
    }[thing.count]
    room = 0.28 if thing.count == 3 and spots[2][1] > 0.6 else 0.38
    side = room * min(1.0, _SIZE[thing.size] * 0.95)
    return [
        _placed(rng, k, thing, x + rng.uniform(-0.02, 0.02), y + rng.uniform(-0.02, 0.01), side, drawing, y > 0.6)
        for x, y in spots
    ]  # fmt: skip


def _pair(rng: Rng, first: Thing, second: Thing, relation: str | None) -> list[Placed]:
    sides = [0.4 * min(1.08, _SIZE[t.size]) for t in (first, second)]
    drawings = [int(rng.integers(len(SUBJECTS[t.subject].drawings))) for t in (first, second)]

    def put(k: int, thing: Thing, cx: float, base: float, grounded: bool = True) -> Placed:
        return _placed(rng, k, thing, cx, base, sides[k], drawings[k], grounded)

    if relation == "on top of":
        sides = [0.36 * min(1.05, _SIZE[first.size]), 0.46 * min(1.08, _SIZE[second.size])]
        cx, base = rng.uniform(0.38, 0.62), rng.uniform(0.92, 0.97)
        surface = base - sides[1] * (SUBJECTS[second.subject].top or 1.0)
        return [
            put(1, second, cx, base),
            put(0, first, cx + rng.uniform(-0.02, 0.02), surface + 0.008, False),
        ]
    if relation in ("above", "below"):
        upper = 0 if relation == "above" else 1
        cx = rng.uniform(0.36, 0.64)
        high = put(
            upper, (first, second)[upper], cx + rng.uniform(-0.06, 0.06), rng.uniform(0.44, 0.47), False
        )
        return [high, put(1 - upper, (first, second)[1 - upper], cx, rng.uniform(0.93, 0.97))]
    left = 0 if relation == "left of" or (relation is None and rng.random() < 0.5) else 1
    xs = (rng.uniform(0.24, 0.28), rng.uniform(0.72, 0.76))
    return [put(k, t, xs[k != left], rng.uniform(0.84, 0.94)) for k, t in ((0, first), (1, second))]


def arrange(rng: Rng, scene: Scene, drawings: Drawings = "all") -> list[Placed]:
    """Places for every subject of a whole scene, in drawing order (further away first).

    `drawings` says in how many ways a kind of subject is drawn: "all"; "still", every drawing of it, at rest and facing
    one way; "one", the first of those alone. The places are the same.
    """
    placed = _arranged(rng, scene)
    if drawings == "all":
        return placed
    still = [replace(one, pose=0.0, mirrored=False) for one in placed]
    return still if drawings == "still" else [replace(one, drawing=0) for one in still]


def _arranged(rng: Rng, scene: Scene) -> list[Placed]:
    if len(scene.things) == 2:
        return _pair(rng, scene.things[0], scene.things[1], scene.relation)
    thing = scene.things[0]
    return _one(rng, thing, 0, scene.sign is not None) if thing.count == 1 else _several(rng, thing, 0)
