"""The bodies of creatures: their outlines, and where eyes, horns, wings, tail and pattern go on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..shapes import Pair, Shape, blob, ellipse, rect, stroke


@dataclass(frozen=True)
class Body:
    """A body in the unit box, standing on its lower edge.

    `behind` is drawn before the wings and the tail's root is hidden by `front`; `face` is the middle of the eyes
    and `gaze` half the distance of two; `horns` are the feet of a pair (a single one stands between them); `wings`
    are the shoulders, left and right; `tail` is its root; `spots` are (x, y, radius); `stripes` are lines.
    """

    behind: tuple[Shape, ...]
    front: tuple[Shape, ...]
    face: Pair
    gaze: float
    eye: float
    horns: tuple[Pair, Pair]
    wings: tuple[Pair, Pair]
    tail: Pair
    spots: tuple[tuple[float, float, float], ...]
    stripes: tuple[tuple[Pair, ...], ...]


def _feet(*places: Pair) -> list[Shape]:
    return [ellipse(x, y, 0.085, 0.05, "shade") for x, y in places]


def _round(pose: float) -> Body:
    x = 0.5 + 0.01 * pose
    arms = [stroke([(x - 0.24, 0.66), (x - 0.34, 0.74 - 0.06 * pose)], 0.09, "shade"),
            stroke([(x + 0.24, 0.66), (x + 0.34, 0.74 + 0.06 * pose)], 0.09, "shade")]  # fmt: skip
    return Body(
        behind=(*_feet((x - 0.14, 0.95), (x + 0.14, 0.95)), *arms),
        front=(ellipse(x, 0.64, 0.3, 0.31, "main"), ellipse(x, 0.77, 0.17, 0.13, "light")),
        face=(x, 0.53), gaze=0.134, eye=0.098,
        horns=((x - 0.15, 0.39), (x + 0.15, 0.39)),
        wings=((x - 0.22, 0.55), (x + 0.22, 0.55)),
        tail=(x + 0.2, 0.84),
        spots=((x - 0.2, 0.68, 0.045), (x + 0.21, 0.66, 0.05), (x - 0.1, 0.385, 0.036), (x + 0.11, 0.38, 0.034),
               (x - 0.13, 0.85, 0.035), (x + 0.12, 0.87, 0.035)),
        stripes=tuple(((x + s * 0.285, y), (x + s * 0.17, y + 0.015)) for s in (-1, 1) for y in (0.62, 0.71, 0.8)),
    )  # fmt: skip


def _tall(pose: float) -> Body:
    x = 0.5 + 0.015 * pose
    arms = [stroke([(x - 0.17, 0.55), (x - 0.27, 0.68 - 0.05 * pose)], 0.075, "shade"),
            stroke([(x + 0.17, 0.55), (x + 0.27, 0.68 + 0.05 * pose)], 0.075, "shade")]  # fmt: skip
    return Body(
        behind=(*_feet((x - 0.1, 0.96), (x + 0.1, 0.96)), *arms),
        front=(rect(x - 0.19, 0.2, x + 0.19, 0.95, "main", 0.19), ellipse(x, 0.74, 0.12, 0.16, "light")),
        face=(x, 0.37), gaze=0.109, eye=0.084,
        horns=((x - 0.11, 0.24), (x + 0.11, 0.24)),
        wings=((x - 0.16, 0.5), (x + 0.16, 0.5)),
        tail=(x + 0.14, 0.88),
        spots=((x - 0.13, 0.52, 0.04), (x + 0.13, 0.56, 0.042), (x - 0.15, 0.68, 0.032), (x + 0.15, 0.72, 0.032),
               (x - 0.13, 0.84, 0.034), (x + 0.12, 0.86, 0.03)),
        stripes=tuple(((x + s * 0.18, y), (x + s * 0.1, y + 0.012)) for s in (-1, 1) for y in (0.5, 0.6, 0.7, 0.8)),
    )  # fmt: skip


def _drop(pose: float) -> Body:
    x = 0.5
    tip = x + 0.1 * pose
    outline = blob([(tip, 0.2), (x + 0.14, 0.42), (x + 0.3, 0.68), (x + 0.27, 0.92), (x, 0.99), (x - 0.27, 0.92),
                    (x - 0.3, 0.68), (x - 0.14, 0.42)], "main")  # fmt: skip
    return Body(
        behind=(),
        front=(outline, ellipse(x - 0.02, 0.86, 0.19, 0.09, "light")),
        face=(x, 0.63), gaze=0.141, eye=0.091,
        horns=((x - 0.1, 0.43), (x + 0.1, 0.43)),
        wings=((x - 0.22, 0.62), (x + 0.22, 0.62)),
        tail=(x + 0.24, 0.9),
        spots=((x - 0.22, 0.77, 0.042), (x + 0.22, 0.78, 0.045), (x + 0.02, 0.4, 0.036), (x - 0.02, 0.52, 0.028),
               (x - 0.12, 0.76, 0.028), (x + 0.12, 0.77, 0.026)),
        stripes=tuple(((x + s * 0.29, y), (x + s * 0.17, y + 0.012)) for s in (-1, 1) for y in (0.72, 0.8, 0.88)),
    )  # fmt: skip


def _fourlegged(pose: float) -> Body:
    head = (0.3, 0.42 + 0.02 * pose)
    legs = [rect(x, 0.74, x + 0.095, 0.99, "shade", 0.04) for x in (0.36, 0.7)]
    front = [rect(x, 0.74, x + 0.1, 1.0, "main", 0.045) for x in (0.27, 0.6)]
    return Body(
        behind=tuple(legs),
        front=(ellipse(0.54, 0.69, 0.29, 0.175, "main"), *front, ellipse(0.53, 0.78, 0.17, 0.07, "light"),
               ellipse(*head, 0.2, 0.185, "main"), ellipse(head[0] - 0.05, head[1] + 0.1, 0.1, 0.06, "light")),
        face=(head[0] - 0.03, head[1] - 0.02), gaze=0.102, eye=0.077,
        horns=((head[0] - 0.1, head[1] - 0.15), (head[0] + 0.1, head[1] - 0.15)),
        wings=((0.56, 0.5), (0.64, 0.5)),
        tail=(0.8, 0.64),
        spots=((0.6, 0.62, 0.045), (0.72, 0.68, 0.04), (0.5, 0.6, 0.035), (0.66, 0.76, 0.03), (0.42, 0.66, 0.03),
               (0.42, 0.36, 0.028)),
        stripes=(*(((x, 0.545), (x + 0.015, 0.64)) for x in (0.48, 0.57, 0.66)), ((0.75, 0.58), (0.75, 0.66))),
    )  # fmt: skip


def _serpent(pose: float) -> Body:
    sway = 0.03 * pose
    line = [
        (0.7, 0.93),
        (0.42, 0.94),
        (0.24, 0.83),
        (0.4, 0.7),
        (0.58, 0.62),
        (0.6 + sway, 0.46),
        (0.5 + sway, 0.36),
    ]
    head = (0.46 + sway, 0.33)
    under = [(x - 0.005, y + 0.03) for x, y in line[1:6]]
    return Body(
        behind=(),
        front=(stroke(line, 0.17, "main", smooth=True), stroke(under, 0.05, "light", smooth=True),
               ellipse(*head, 0.19, 0.155, "main")),
        face=(head[0] - 0.03, head[1] - 0.02), gaze=0.102, eye=0.077,
        horns=((head[0] - 0.1, head[1] - 0.12), (head[0] + 0.1, head[1] - 0.12)),
        wings=((0.5, 0.58), (0.64, 0.54)),
        tail=(0.72, 0.93),
        spots=((0.55, 0.9, 0.03), (0.38, 0.9, 0.03), (0.28, 0.82, 0.03), (0.42, 0.67, 0.03), (0.54, 0.6, 0.028),
               (0.58 + sway, 0.48, 0.028)),
        stripes=(((0.56, 0.865), (0.57, 0.94)), ((0.44, 0.87), (0.43, 0.95)), ((0.25, 0.77), (0.31, 0.86)),
                 ((0.38, 0.64), (0.44, 0.72)), ((0.53, 0.57), (0.6, 0.66))),
    )  # fmt: skip


BODY: dict[str, Callable[[float], Body]] = {
    "round": _round,
    "tall": _tall,
    "drop": _drop,
    "fourlegged": _fourlegged,
    "serpent": _serpent,
}
