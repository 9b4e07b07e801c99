"""What is about a bird: the air behind it with soft discs in it, and the branch or the ground that it is on."""

from __future__ import annotations

import math

import numpy as np

from ..shapes import Pair, Shape, blob, ellipse, polygon, stroke

Rng = np.random.Generator


def air(rng: Rng) -> list[Shape]:
    """Soft discs, in the whole picture's box."""
    made = []
    for k in range(int(rng.integers(4, 8))):
        x, y, r = rng.uniform(0, 1), rng.uniform(0, 0.9), rng.uniform(0.08, 0.2)
        made.append(ellipse(float(x), float(y), float(r), float(r), "air light" if k % 2 else "air shade"))
    return made


def branch(rng: Rng) -> list[Shape]:
    """A branch under the feet, across the picture and beyond, in the bird's box; leaves hang below it."""
    lift = float(rng.uniform(-0.05, 0.05))
    line = [
        (-0.8, 1.03 - lift),
        (0.1, 1.035 - lift * 0.3),
        (0.53, 1.035),
        (0.95, 1.035 + lift * 0.3),
        (1.8, 1.02 + lift),
    ]
    made = [
        stroke(line, 0.075, "bark shade", smooth=True),
        stroke([(x, y - 0.01) for x, y in line], 0.05, "bark", smooth=True),
        stroke([(0.66, 1.018), (0.9, 1.016 + lift * 0.3)], 0.012, "bark light"),
        stroke([(0.02, 1.02 - lift * 0.3), (0.2, 1.02 - lift * 0.2)], 0.012, "bark light"),
    ]
    for x, rise, turn in (
        (0.90, -1, 25),
        (1.02, 1, -30),
        (0.04, 1, 35),
        (-0.1, -1, -20),
        (1.25, -1, 15),
        (-0.3, 1, 25),
    ):
        foot = (x, 1.035 + rise * 0.025 + (x - 0.53) * lift * 0.7)
        made += _leaf(foot, math.radians(90 * rise + turn))
    return made


def _leaf(foot: Pair, towards: float) -> list[Shape]:
    """A leaf on its stalk at `foot`; `towards` in radians clockwise from the right."""
    c, s = math.cos(towards), math.sin(towards)

    def at(along: float, across: float) -> Pair:
        return foot[0] + c * along - s * across, foot[1] + s * along + c * across

    return [
        stroke([foot, at(0.04, 0.0)], 0.012, "bark shade"),
        blob(
            [at(0.03, 0), at(0.065, 0.034), at(0.12, 0.03), at(0.165, 0), at(0.12, -0.03), at(0.065, -0.034)],
            "leaf",
        ),
        blob([at(0.03, 0), at(0.065, 0.034), at(0.12, 0.03), at(0.165, 0), at(0.1, 0.004)], "leaf shade"),
    ]


def ground(rng: Rng) -> list[Shape]:
    """The ground under the feet, down to the lower edge of the picture, with a shadow, pebbles and tufts."""
    made = [
        polygon([(-2.0, 0.955), (0.5, 0.94), (3.0, 0.955), (3.0, 3.0), (-2.0, 3.0)], "earth"),
        ellipse(0.5, 1.012, 0.34, 0.035, "earth shade"),
    ]
    for _ in range(5):
        x, y, r = (
            float(rng.uniform(-0.1, 1.1)),
            float(rng.uniform(1.05, 1.12)),
            float(rng.uniform(0.012, 0.025)),
        )
        made.append(ellipse(x, y, 1.8 * r, r, "earth light"))
    for x in (float(rng.uniform(-0.08, 0.12)), float(rng.uniform(0.9, 1.1))):
        for lean in (-0.035, 0.0, 0.035):
            made.append(
                polygon(
                    [(x - 0.012, 0.985), (x + lean, 0.895 + abs(lean)), (x + 0.012, 0.985)], "earth shade"
                )
            )
    return made
