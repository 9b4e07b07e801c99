"""A rule-based checker of creatures: which of their traits a picture shows.

It draws creatures itself and looks for the one that is nearest to the picture: first body, colour, facing and place,
then trait by trait, until no other value of a trait comes nearer. A trait holds where its value wins. It judges
models; it is never used to train one or to pick pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..palette import COLOURS, RGB
from ..scene import Statement
from ..shapes import Shape
from ..verdict import Verdict
from .creature import VALUES, Creature, statements, with_statement
from .drawing import Pose, paint, shapes_of

SIZE = 64
_FAR = 90.0  # grey levels from which on one pixel is as wrong as any other
_EXPLAINED = 0.75  # a creature is there where drawing it leaves less than this share of what stands out
_STEPS = (0.02, 0.01, 0.01, 0.005, 0.005)  # of the placing, as shares of the picture, round by round

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """What the checker sees: the nearest creature, how far it is, and how far it is with each other trait.

    `bare` is how far the plain ground is.
    """

    nearest: Creature
    cost: float
    bare: float
    costs: dict[str, dict[str, float]]


@lru_cache(maxsize=4096)
def _shapes(creature: Creature, lean: float) -> tuple[Shape, ...]:
    return tuple(shapes_of(creature, lean))


class _Canvas:
    """The picture, its ground, and drawing a creature over the same ground."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        image = Image.fromarray(pixels)
        method = Image.Resampling.BOX if min(image.size) >= SIZE else Image.Resampling.BICUBIC
        self.seen = np.asarray(image.resize((SIZE, SIZE), method), np.float32)
        border = np.concatenate([self.seen[:3].reshape(-1, 3), self.seen[:, :3].reshape(-1, 3),
                                 self.seen[:, -3:].reshape(-1, 3)])  # fmt: skip
        self.ground = np.median(border, axis=0)
        self.front = np.abs(self.seen - self.ground).max(2) > 40

    def cost(self, creature: Creature, how: Pose) -> float:
        """Mean distance of the picture from a drawing, in grey levels, far pixels cut off."""
        ground: RGB = tuple(int(c) for c in self.ground)  # type: ignore[assignment]
        canvas = Image.new("RGB", (2 * SIZE, 2 * SIZE), ground)
        paint(canvas, _shapes(creature, how.pose), creature.colour or "red", how)
        made = np.asarray(canvas.reduce(2), np.float32)
        return float(np.minimum(np.abs(made - self.seen).max(2), _FAR).mean())

    def bare(self) -> float:
        """The distance of the picture from its ground alone."""
        return float(np.minimum(np.abs(self.seen - self.ground).max(2), _FAR).mean())

    def colour(self) -> str:
        """The subject colour nearest to most of what stands out."""
        if not self.front.any():
            return "white"
        pixels = self.seen[self.front]
        mains = np.array([tones.main for tones in COLOURS.values()], np.float32)
        nearest = np.abs(pixels[:, None] - mains).sum(2).argmin(1)
        return list(COLOURS)[int(np.bincount(nearest, minlength=len(mains)).argmax())]


def _starts() -> Iterator[tuple[str, Pose]]:
    for body, mirrored, side, base in product(
        VALUES["body"], (False, True), (0.72, 0.78, 0.84), (0.87, 0.9, 0.94)
    ):
        yield body, Pose(0.0, mirrored, side, 0.5, base, 0)


def _moves(how: Pose, step: float) -> Iterator[Pose]:
    for lean in (-1.0, -0.5, 0.0, 0.5, 1.0):
        if lean != how.pose:
            yield replace(how, pose=lean)
    for sign in (-step, step):
        yield replace(how, side=how.side + 2 * sign)
        yield replace(how, middle=how.middle + sign)
        yield replace(how, base=how.base + sign)
    yield _turned(how)


def _turned(how: Pose) -> Pose:
    """Facing the other way, leaning to the same side."""
    return replace(how, mirrored=not how.mirrored, pose=-how.pose)


def read(pixels: NDArray[np.uint8]) -> Reading:
    """Find the creature nearest to a picture, uint8 (H, W, 3)."""
    canvas = _Canvas(pixels)
    plain = Creature("round", canvas.colour(), "2", "0", "none", "none", "plain")
    tried = [(canvas.cost(replace(plain, body=body), how), body, how) for body, how in _starts()]
    ends = []
    for body in VALUES["body"]:
        _, _, how = min((one for one in tried if one[1] == body), key=lambda one: one[0])
        ends.append(_descend(canvas, replace(plain, body=body), how, rounds=2))
    cost, creature, how = min(ends, key=lambda end: end[0])
    cost, creature, how = _descend(canvas, creature, how, len(_STEPS))
    costs: dict[str, dict[str, float]] = {}
    for kind, values in VALUES.items():
        costs[kind] = {
            value: canvas.cost(with_statement(creature, Statement(kind, value)), how) for value in values
        }
    for end_cost, end, _ in ends:
        assert end.body is not None
        if end.body != creature.body:
            costs["body"][end.body] = min(costs["body"][end.body], end_cost)
    return Reading(creature, cost, canvas.bare(), costs)


def _descend(canvas: _Canvas, creature: Creature, how: Pose, rounds: int) -> tuple[float, Creature, Pose]:
    """Change one thing after another, placing or trait, as long as it brings the drawing nearer."""
    cost = canvas.cost(creature, how)
    for turn in range(rounds):
        before = cost
        for other in _moves(how, _STEPS[turn]):
            if (found := canvas.cost(creature, other)) < cost:
                cost, how = found, other
        for kind, values in VALUES.items():
            if kind == "body":
                continue
            for value in values:
                changed = with_statement(creature, Statement(kind, value))
                for other in (how, _turned(how)) if kind == "tail" else (how,):
                    if changed != creature and (found := canvas.cost(changed, other)) < cost:
                        cost, creature, how = found, changed, other
        if cost == before and turn:
            break
    return cost, creature, how


def verdicts(reading: Reading, creature: Creature) -> tuple[Verdict, ...]:
    """The verdicts on all that is said of a creature, for a picture that was read."""
    found = []
    for said in statements(creature):
        costs = reading.costs[said.kind]
        best = min(costs, key=lambda value: costs[value])
        holds = best == said.value and reading.cost < _EXPLAINED * reading.bare
        found.append(
            Verdict(
                said, holds, f"nearest with {best} ({costs[best]:.1f}); {said.value} {costs[said.value]:.1f}"
            )
        )
    return tuple(found)


def check(pixels: NDArray[np.uint8], creature: Creature) -> tuple[Verdict, ...]:
    """Which statements about a creature hold for a picture, uint8 (H, W, 3)."""
    return verdicts(read(pixels), creature)
