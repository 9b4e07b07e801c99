"""Flat shapes in a unit box: everything Storybook draws is a list of filled polygons.

The box is [0, 1] x [0, 1], x to the right, y down; (0.5, 1.0) is where a subject touches the ground.
Curves are flattened once, fine enough to stay smooth at 1024 px.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Pair = tuple[float, float]


class Shape(NamedTuple):
    """One filled polygon: `points` (N, 2) in the unit box, and the name of its paint."""

    points: Points
    paint: str


def polygon(points: Sequence[Pair], paint: str) -> Shape:
    """A polygon with straight sides."""
    return Shape(np.asarray(points, np.float32), paint)


def ellipse(cx: float, cy: float, rx: float, ry: float, paint: str, turn: float = 0.0) -> Shape:
    """An ellipse with half-axes rx, ry, turned clockwise by `turn` degrees."""
    return arc(cx, cy, rx, ry, 0, 360, paint, turn)


def arc(
    cx: float, cy: float, rx: float, ry: float, start: float, end: float, paint: str, turn: float = 0.0
) -> Shape:
    """The segment of an ellipse between two angles, closed by its chord; degrees clockwise from the right."""
    steps = max(12, int(abs(end - start) / 360 * 96))
    a = np.radians(np.linspace(start, end, steps, endpoint=abs(end - start) < 360))
    x, y = rx * np.cos(a), ry * np.sin(a)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return Shape(np.stack([cx + c * x - s * y, cy + s * x + c * y], 1).astype(np.float32), paint)


def rect(x0: float, y0: float, x1: float, y1: float, paint: str, radius: float = 0.0) -> Shape:
    """A rectangle, its corners rounded by `radius`."""
    if radius <= 0:
        return polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], paint)
    r = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    corners = [(x1 - r, y0 + r, -90), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180)]
    turns = [np.radians(np.linspace(a, a + 90, 8)) for _, _, a in corners]
    points = [
        np.stack([cx + r * np.cos(t), cy + r * np.sin(t)], 1)
        for (cx, cy, _), t in zip(corners, turns, strict=True)
    ]
    return Shape(np.concatenate(points).astype(np.float32), paint)


def blob(points: Sequence[Pair], paint: str, steps: int = 8) -> Shape:
    """A smooth closed curve through the points (centripetal-free Catmull-Rom spline)."""
    p = np.asarray(points, np.float64)
    before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (before, p, after, later))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return Shape(curve.reshape(-1, 2).astype(np.float32), paint)


def stroke(points: Sequence[Pair], width: float, paint: str, smooth: bool = False) -> Shape:
    """A line of even width with round ends, as one polygon; `smooth` bends it through the points."""
    p = np.asarray(points, np.float64)
    if smooth and len(p) > 2:
        closed = np.concatenate([[2 * p[0] - p[1]], p, [2 * p[-1] - p[-2]]])
        t = np.linspace(0, 1, 14, endpoint=False)[None, :, None]
        a, b, c, d = (closed[i : len(closed) - 3 + i, None, :] for i in range(4))
        curve = 0.5 * (
            2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
        )
        p = np.concatenate([curve.reshape(-1, 2), p[-1:]])
    tangent = np.gradient(p, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) * width / 2

    def cap(centre: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
        start = math.atan2(along[1], along[0]) + math.pi / 2
        a = start - np.linspace(0, math.pi, 24)
        return centre + width / 2 * np.stack([np.cos(a), np.sin(a)], 1)

    outline = [p + normal, cap(p[-1], tangent[-1]), (p - normal)[::-1], cap(p[0], -tangent[0])]
    return Shape(np.concatenate(outline).astype(np.float32), paint)


def ring(cx: float, cy: float, radius: float, width: float, paint: str) -> Shape:
    """A circle drawn as a line of even width, as one polygon with a seam."""
    a = np.linspace(0, 2 * np.pi, 97)
    circle = np.stack([np.cos(a), np.sin(a)], 1)
    centre = np.array([cx, cy])
    outer, inner = centre + (radius + width / 2) * circle, centre + (radius - width / 2) * circle[::-1]
    return Shape(np.concatenate([outer, inner]).astype(np.float32), paint)


_TOKEN = re.compile(r"[MLCQZ]|-?\d*\.?\d+")


def path(data: str, paint: str) -> Shape:
    """One closed outline in SVG's path letters M, L, C, Q, Z (absolute coordinates, unit box)."""
    tokens, points, at, command = _TOKEN.findall(data), [], 0, "M"

    def take(count: int) -> list[NDArray[np.float64]]:
        nonlocal at
        flat = [float(t) for t in tokens[at : at + 2 * count]]
        at += 2 * count
        return [np.array(flat[i : i + 2]) for i in range(0, len(flat), 2)]

    t = np.linspace(0, 1, 21)[1:, None]
    while at < len(tokens):
        if tokens[at].isalpha():
            command = tokens[at]
            at += 1
        if command == "Z":
            continue
        if command in "ML":
            points.append(take(1)[0][None])
            continue
        start = points[-1][-1]
        if command == "Q":
            b, c = take(2)
            points.append((1 - t) ** 2 * start + 2 * (1 - t) * t * b + t**2 * c)
        else:
            b, c, d = take(3)
            points.append((1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d)
    return Shape(np.concatenate(points).astype(np.float32), paint)


def moved(shapes: Sequence[Shape], dx: float = 0.0, dy: float = 0.0, scale: float = 1.0) -> list[Shape]:
    """The shapes scaled about (0.5, 1.0) and shifted."""
    foot, shift = np.array([0.5, 1.0], np.float32), np.array([dx, dy], np.float32)
    return [Shape((s.points - foot) * scale + foot + shift, s.paint) for s in shapes]


def turned(shapes: Sequence[Shape], degrees: float, cx: float = 0.5, cy: float = 0.5) -> list[Shape]:
    """The shapes turned clockwise by `degrees` about (cx, cy)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    centre, matrix = np.array([cx, cy], np.float32), np.array([[c, s], [-s, c]], np.float32)
    return [Shape(((p.points - centre) @ matrix + centre).astype(np.float32), p.paint) for p in shapes]


def leaned(shapes: Sequence[Shape], amount: float) -> list[Shape]:
    """The shapes sheared sideways: what is one box above the ground shifts by `amount`, the ground stays."""
    return [
        Shape(
            (s.points + amount * (1 - s.points[:, 1:]) * np.array([1, 0], np.float32)).astype(np.float32),
            s.paint,
        )
        for s in shapes
    ]


def grounded(shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes shifted up or down until the lowest point lies on the ground, y = 1."""
    return moved(shapes, dy=1.0 - max(float(s.points[:, 1].max()) for s in shapes))


def inset(shape: Shape, paint: str, scale: float, cx: float, cy: float) -> Shape:
    """The shape shrunk towards (cx, cy) in another paint: over the whole it leaves a rim on the far side."""
    centre = np.array([cx, cy], np.float32)
    return Shape(((shape.points - centre) * scale + centre).astype(np.float32), paint)
