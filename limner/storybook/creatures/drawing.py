"""Drawing creatures: the parts of one as flat shapes, and a picture of it before a plain ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..palette import RGB, tone
from ..shapes import Pair, Shape, arc, ellipse, polygon, stroke
from .bodies import BODY, Body
from .creature import Creature

Frame = tuple[float, float, float, float]

GROUNDS: tuple[RGB, ...] = (
    (255, 255, 255),
    (250, 240, 226),
    (232, 242, 250),
    (236, 246, 232),
    (246, 234, 246),
)
"""The plain colours behind creatures; none is said in a caption."""


@dataclass(frozen=True)
class Pose:
    """How a creature is put in the picture: `side` of its square box, its middle, where it stands, facing."""

    pose: float
    mirrored: bool
    side: float
    middle: float
    base: float
    ground: int


def pose(rng: np.random.Generator) -> Pose:
    """A pose at random: large, about the middle."""
    side = float(rng.uniform(0.7, 0.86))
    return Pose(
        pose=float(rng.integers(-2, 3)) / 2,
        mirrored=bool(rng.integers(2)),
        side=side,
        middle=float(rng.uniform(0.46, 0.54)),
        base=float(rng.uniform(max(side, 0.86), 0.95)),
        ground=int(rng.integers(len(GROUNDS))),
    )


def _eyes(body: Body, count: int) -> list[Shape]:
    x, y = body.face
    size = body.eye * {1: 1.45, 2: 1.0, 3: 0.82}[count]
    across = body.gaze * {1: 0.0, 2: 1.0, 3: 1.18}[count]
    places = {1: [(x, y)], 2: [(x - across, y), (x + across, y)],
              3: [(x - across, y + 0.03), (x, y - 0.08), (x + across, y + 0.03)]}[count]  # fmt: skip
    mouth = arc(x, y + body.eye * 1.75, body.eye * 0.75, body.eye * 0.5, 0, 180, "ink")
    found = [mouth]
    for ex, ey in places:
        found += [
            ellipse(ex, ey, size, size * 1.12, "ink"),
            ellipse(ex, ey, size * 0.84, size * 0.96, "white"),
            ellipse(ex, ey + size * 0.1, size * 0.5, size * 0.6, "ink"),
            ellipse(ex - size * 0.16, ey - size * 0.16, size * 0.2, size * 0.2, "white"),
        ]
    return found


def _horn(foot: Pair, lean: float) -> list[Shape]:
    x, y = foot
    tip = (x + lean * 0.13, y - 0.23)
    return [
        polygon([(x - 0.08, y + 0.04), tip, (x + 0.08, y + 0.04)], "gold"),
        polygon([(x + 0.02, y + 0.04), tip, (x + 0.08, y + 0.04)], "bark"),
    ]


def _horns(body: Body, count: int) -> list[Shape]:
    (lx, ly), (rx, ry) = body.horns
    if count == 1:
        return _horn(((lx + rx) / 2, (ly + ry) / 2 - 0.035), 0.0)
    return [*_horn((lx, ly), -0.7), *_horn((rx, ry), 0.7)] if count == 2 else []


def _bat(shoulder: Pair, s: float) -> list[Shape]:
    x, y = shoulder
    wing = [(0, 0.08), (0.1, -0.18), (0.26, -0.33), (0.32, -0.15), (0.36, 0.02), (0.265, -0.05), (0.21, 0.08),
            (0.135, 0.0), (0.07, 0.13)]  # fmt: skip
    bones = [[(0.02, 0.0), (0.26, -0.31)], [(0.03, 0.02), (0.35, 0.01)], [(0.03, 0.04), (0.205, 0.07)]]
    return [
        polygon([(x + s * dx, y + dy) for dx, dy in wing], "shade"),
        *(stroke([(x + s * dx, y + dy) for dx, dy in bone], 0.022, "ink") for bone in bones),
    ]


def _feathered(shoulder: Pair, s: float) -> list[Shape]:
    x, y = shoulder
    feathers = [((0.29, -0.21), -38.0), ((0.32, -0.07), -12.0), ((0.27, 0.06), 14.0)]
    made = [
        ellipse(x + s * dx * 0.62, y + dy * 0.62, 0.19, 0.072, "white" if k % 2 else "glass", s * turn)
        for k, ((dx, dy), turn) in enumerate(feathers)
    ]
    return [*made, ellipse(x + s * 0.05, y - 0.02, 0.075, 0.085, "glass")]


def _wings(body: Body, kind: str) -> list[Shape]:
    if kind == "none":
        return []
    wing = _bat if kind == "bat" else _feathered
    return [*wing(body.wings[0], -1.0), *wing(body.wings[1], 1.0)]


def _tail(body: Body, kind: str) -> list[Shape]:
    x, y = body.tail
    if kind == "none":
        return []
    if kind == "pointed":
        tip = (min(x + 0.2, 0.96), y - 0.19)
        return [
            stroke([(x - 0.06, y), (x + 0.1, y + 0.015), tip], 0.06, "shade", smooth=True),
            polygon([(tip[0] - 0.125, tip[1] + 0.03), (tip[0] + 0.035, tip[1] - 0.18), (tip[0] + 0.11, tip[1] + 0.07)],
                    "ember"),
        ]  # fmt: skip
    cx, cy = min(x + 0.16, 0.88), y - 0.09
    around = [(cx + 0.1 * math.cos(a), cy + 0.1 * math.sin(a)) for a in np.arange(6) * math.pi / 3]
    return [
        stroke([(x - 0.06, y + 0.01), (cx, cy)], 0.09, "shade"),
        *(ellipse(px, py, 0.09, 0.09, "shade") for px, py in around),
        *(ellipse(cx + 0.8 * (px - cx), cy + 0.8 * (py - cy), 0.078, 0.078, "light") for px, py in around),
        ellipse(cx, cy, 0.07, 0.07, "light"),
    ]


def _pattern(body: Body, kind: str, colour: str) -> list[Shape]:
    if kind == "spots":
        paint = "ember" if colour in ("white", "yellow", "pink") else "paper"
        return [ellipse(x, y, 1.35 * r, 1.35 * r, paint) for x, y, r in body.spots]
    if kind == "stripes":
        return [stroke(list(line), 0.05, "paper" if colour == "black" else "ink") for line in body.stripes]
    return []


def shapes_of(creature: Creature, lean: float) -> list[Shape]:
    """The shapes of a whole creature (no None in it) in its unit box, in drawing order."""
    body = BODY[creature.body or "round"](lean)
    return [
        *_wings(body, creature.wings or "none"),
        *_tail(body, creature.tail or "none"),
        *body.behind,
        *body.front,
        *_pattern(body, creature.pattern or "plain", creature.colour or "red"),
        *_horns(body, int(creature.horns or 0)),
        *_eyes(body, int(creature.eyes or 2)),
    ]


def frame_of(how: Pose) -> Frame:
    """The square that a creature is drawn in, as shares of the picture: left, top, right, bottom."""
    left, right = how.middle - how.side / 2, how.middle + how.side / 2
    return left, how.base - how.side, right, how.base


def parts_of(creature: Creature, how: Pose) -> list[dict[str, Any]]:
    """Eyes, horns, wings and tail of a whole creature, as a set tells of the parts of a subject: what each is, which
    drawing of it, and its frame."""
    body = BODY[creature.body or "round"](how.pose)
    found: list[tuple[str, int, list[Shape]]] = []
    if eyes := int(creature.eyes or 0):
        found.append(("eyes", eyes - 1, _eyes(body, eyes)[1:]))
    if horns := int(creature.horns or 0):
        found.append(("horns", horns - 1, _horns(body, horns)))
    if creature.wings in ("bat", "feathered"):
        shapes = _wings(body, creature.wings)
        for side in (shapes[: len(shapes) // 2], shapes[len(shapes) // 2 :]):
            found.append(("wing", int(creature.wings == "feathered"), side))
    if creature.tail in ("pointed", "fluffy"):
        found.append(("tail", int(creature.tail == "fluffy"), _tail(body, creature.tail)))
    told = []
    for name, drawing, shapes in found:
        outline = np.concatenate([_outline(shape, how) for shape in shapes])
        box = (*outline.min(0).tolist(), *outline.max(0).tolist())
        told.append(
            {
                "subject": name,
                "drawing": drawing,
                "mirrored": how.mirrored,
                "frame": [round(x, 4) for x in box],
            }
        )
    return told


def _ground(creature: Creature, how: Pose) -> RGB:
    """The colour behind a creature; darker behind a white one, which would not be seen else."""
    red, green, blue = GROUNDS[how.ground]
    share = 0.74 if creature.colour == "white" else 1.0
    return int(red * share), int(green * share), int(blue * share)


def draw(creature: Creature, how: Pose, size: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """A picture of `size` pixels, and the pixels (size, size) that the creature covers."""
    factor = 4 if size <= 256 else 3 if size <= 512 else 2
    ground = _ground(creature, how)
    canvas = Image.new("RGB", (size * factor, size * factor), ground)
    mask = Image.new("L", (size, size))
    shapes = shapes_of(creature, how.pose)
    paint(canvas, shapes, creature.colour or "red", how)
    marks = ImageDraw.Draw(mask)
    for shape in shapes:
        marks.polygon((_outline(shape, how) * size).ravel().tolist(), fill=1)
    return canvas.reduce(factor), np.asarray(mask) > 0


def paint(canvas: Image.Image, shapes: Sequence[Shape], colour: str, how: Pose) -> None:
    """Paint a creature and its shadow over a square canvas of one plain colour."""
    scale, pencil = canvas.width, ImageDraw.Draw(canvas)
    ground = canvas.getpixel((0, 0))
    assert isinstance(ground, tuple)
    shadow = ellipse(how.middle, how.base - 0.005, how.side * 0.4, how.side * 0.045, "")
    pencil.polygon((shadow.points * scale).ravel().tolist(), fill=tuple(int(c * 0.9) for c in ground))
    for shape in shapes:
        pencil.polygon((_outline(shape, how) * scale).ravel().tolist(), fill=tone(shape.paint, colour))


def _outline(shape: Shape, how: Pose) -> NDArray[np.float32]:
    """Where a shape of the unit box lies in the picture, as shares of its side."""
    x = 1 - shape.points[:, 0] if how.mirrored else shape.points[:, 0]
    return np.stack([how.middle + how.side * (x - 0.5), how.base + how.side * (shape.points[:, 1] - 1)], 1)
