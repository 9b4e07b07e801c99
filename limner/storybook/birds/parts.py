"""The parts of a bird as flat shapes in its unit box, in the order in which they are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..shapes import Pair, Shape, blob, ellipse, polygon, stroke
from .bird import ABSENT, Bird
from .bodies import BREAST, CHIN, LOW, NAPE, REAR, THROAT, VENT, Body, body_of

_STEPS = 8  # points of an outline from knot to knot
Curve = NDArray[np.float32]


def shapes_of(bird: Bird, posture: float) -> list[Shape]:
    """The shapes of a whole bird (no None in it but the colour of no eyering) in its unit box, in drawing order."""
    body = body_of(bird.body or "plump", posture)
    return [
        *_legs(body, "legs shade", 0),
        *_tail(body),
        *_legs(body, "legs", 1),
        *_trunk(body),
        *_wing(body, bird.wingbars not in (None, ABSENT)),
        *_bill(body, bird.bill or "short"),
        *_eye(body, bird.eyering or ABSENT),
    ]


def _curve(knots: Sequence[Pair]) -> Curve:
    """A smooth open line through knots, (N, 2)."""
    p = np.asarray(knots, np.float64)
    p = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
    t = np.linspace(0, 1, _STEPS, endpoint=False)[None, :, None]
    a, b, c, d = (p[k : len(p) - 3 + k, None, :] for k in range(4))
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([line.reshape(-1, 2), p[-2:-1]]).astype(np.float32)


def _cut(outline: Curve, start: float, end: float, inner: Sequence[Pair], paint: str) -> Shape:
    """The part of a body between two places of its outline (in knots) and an inner edge through `inner`.

    The inner edge runs in the direction that leads from the first knot of `inner` to the last; it is turned round
    where that makes the part a simple polygon.
    """
    edge = outline[round(start * _STEPS) : round(end * _STEPS) + 1]
    first, last = np.asarray(inner[0]), np.asarray(inner[-1])
    knots = list(inner)
    if np.hypot(*(edge[-1] - first)) > np.hypot(*(edge[-1] - last)):
        knots.reverse()
    back = _curve([tuple(edge[-1]), *knots, tuple(edge[0])])
    return Shape(np.concatenate([edge, back[1:-1]]), paint)


def _trunk(body: Body) -> list[Shape]:
    whole = blob(body.outline, "main", _STEPS)
    outline = np.concatenate([whole.points, whole.points])  # twice round, so that a part may pass the bill
    count = len(body.outline)
    lower = _cut(outline, VENT + 0.1, LOW + 0.1, body.belly, "belly")
    return [
        whole,
        _cut(outline, NAPE + 0.1, VENT - 0.3, body.back, "back"),
        _cut(outline, LOW - 0.7, THROAT + 0.1, body.breast, "breast"),
        lower,
        _sliver(outline, REAR - 0.6, LOW - 0.2, 0.028, "belly shade"),
        _sliver(outline, LOW + 0.15, BREAST + 0.55, 0.02, "breast light"),
        _cut(outline, THROAT - 0.4, CHIN + 0.3, body.throat, "throat"),
        _cut(outline, count + 0.0, count + 3.5, body.crown, "crown"),
        _sliver(outline, count + 1.3, count + 2.7, 0.022, "crown light"),
    ]


def _sliver(outline: Curve, start: float, end: float, width: float, paint: str) -> Shape:
    """A crescent along the inside of the outline, `width` thick in its middle."""
    edge = outline[round(start * _STEPS) : round(end * _STEPS) + 1].astype(np.float64)
    along = np.gradient(edge, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    inward = np.stack([along[:, 1], -along[:, 0]], 1)
    swell = np.sin(np.linspace(0, np.pi, len(edge)))[:, None]
    return Shape(
        np.concatenate([edge + 0.004 * inward, (edge + (0.004 + width * swell) * inward)[::-1]]).astype(
            np.float32
        ),
        paint,
    )


def _tail(body: Body) -> list[Shape]:
    (rx, ry), (ex, ey), half = body.tail
    length = math.hypot(ex - rx, ey - ry)
    ux, uy = (ex - rx) / length, (ey - ry) / length

    def at(along: float, across: float) -> Pair:
        return rx + along * length * ux - across * uy, ry + along * length * uy + across * ux

    root = 0.75 * half
    feathers = polygon([at(-0.15, -root), at(0.96, -half), at(1.0, -0.55 * half), at(0.965, 0), at(1.0, 0.55 * half),
                        at(0.96, half), at(-0.15, root)], "tail")  # fmt: skip
    under = polygon(
        [at(-0.15, 0.2 * root), at(1.0, 0.45 * half), at(0.96, half), at(-0.15, root)], "tail shade"
    )
    line = stroke([at(0.1, -0.4 * root), at(0.97, -0.5 * half)], 0.01, "tail shade")
    return [feathers, under, line]


def _legs(body: Body, paint: str, which: int) -> list[Shape]:
    hip, foot = body.hips[which], body.feet[which]
    knee = ((hip[0] * 0.45 + foot[0] * 0.55) - 0.02, hip[1] * 0.45 + foot[1] * 0.55)
    ankle = (foot[0], foot[1] - 0.012)
    toes = [(0.085, 0.004), (0.045, 0.012), (-0.055, 0.004)]
    return [
        stroke([hip, knee, ankle], 0.03, paint),
        *(stroke([ankle, (foot[0] + dx, foot[1] + dy)], 0.022, paint) for dx, dy in toes),
    ]


def _wing(body: Body, bars: bool) -> list[Shape]:
    folded = blob(body.wing, "wing", _STEPS)
    outline = folded.points.astype(np.float64)
    shoulder, tip = np.asarray(body.wing[0]), np.asarray(body.wing[4])
    upper = _curve(body.wing[:5])  # from the shoulder to the tip
    lower = _curve([body.wing[0], *body.wing[:3:-1]])  # the other way round

    def across(share: float, low: float = 0.04, high: float = 0.96, bend: float = 0.03) -> list[Pair]:
        a, b = upper[int(share * (len(upper) - 1))], lower[int(share * (len(lower) - 1))]
        along = (tip - shoulder) / np.hypot(*(tip - shoulder))
        points = [a + t * (b - a) + bend * math.sin(math.pi * t) * along for t in np.linspace(low, high, 5)]
        return [(float(x), float(y)) for x, y in points]

    flight = np.concatenate([upper[int(0.52 * len(upper)) :], lower[int(0.52 * len(lower)) :][::-1]])
    made = [
        Shape((outline + np.array([0.006, 0.018])).astype(np.float32), "wing shade"),
        folded,
        Shape(flight.astype(np.float32), "wing shade"),
    ]
    for share in (0.25, 0.5, 0.75):
        start = np.asarray(across(0.56, share, share)[0])
        end = start + (tip - start) * (0.9 - 0.25 * share)
        made.append(stroke([tuple(start), tuple(end)], 0.011, "wing"))
    if bars:
        made += [stroke(across(share, 0.08, 0.92), 0.034, "wingbars", smooth=True) for share in (0.33, 0.54)]
    return made


def _bill(body: Body, kind: str) -> list[Shape]:
    top, low = np.asarray(body.outline[0]), np.asarray(body.outline[CHIN])
    height = float(np.hypot(*(low - top)))
    down = (low - top) / height
    out = np.array([down[1], -down[0]])
    unit = 0.085  # bills are of one size, whatever the head
    middle = (top + low) / 2 - 0.02 * out

    def place(points: Sequence[Pair]) -> list[Pair]:
        """From (forward, down) in units of the bill's root to the box."""
        return [tuple((middle + unit * (f * out + d * down)).tolist()) for f, d in points]

    if kind == "cone":
        upper = polygon(place([(-0.15, -0.95), (0.5, -0.72), (1.55, 0.06), (0, 0.1)]), "bill")
        under = polygon(place([(0, 0.04), (1.5, 0.04), (0.6, 0.7), (-0.15, 0.92)]), "bill shade")
    elif kind == "long":
        upper = polygon(place([(0, -0.48), (1.3, -0.24), (3.0, 0.22), (1.2, 0.12), (0, 0.1)]), "bill")
        under = polygon(place([(0, 0.06), (1.2, 0.06), (3.0, 0.22), (1.2, 0.34), (0, 0.48)]), "bill shade")
    elif kind == "hooked":
        ridge = [(0, -0.7), (0.9, -0.7), (1.6, -0.2), (1.8, 1.0), (1.35, 0.38), (0.6, 0.12), (0, 0.1)]
        upper = Shape(_curve(place(ridge)), "bill")
        under = polygon(place([(0, 0.04), (0.7, 0.08), (1.2, 0.34), (0.7, 0.52), (0, 0.46)]), "bill shade")
    else:
        upper = polygon(place([(0, -0.5), (0.5, -0.34), (1.15, 0.08), (0, 0.1)]), "bill")
        under = polygon(place([(0, 0.05), (1.1, 0.05), (0.5, 0.32), (0, 0.45)]), "bill shade")
    return [under, upper]


def _eye(body: Body, ring: str) -> list[Shape]:
    x, y, r = body.eye
    rings = {"round": 1.55, "thick": 2.1}
    made = [ellipse(x, y, rings[ring] * r, rings[ring] * r, "eyering")] if ring in rings else []
    return [
        *made,
        ellipse(x, y, r, r, "iris"),
        ellipse(x, y, 0.66 * r, 0.66 * r, "ink"),
        ellipse(x + 0.26 * r, y - 0.3 * r, 0.25 * r, 0.25 * r, "glint"),
    ]
