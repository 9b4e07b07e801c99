"""Drawing birds: one in its setting, large, at any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..palette import RGB
from ..shapes import Shape
from .bird import Bird
from .parts import shapes_of
from .plumage import AIRS, EARTHS, paints
from .setting import air, branch, ground


@dataclass(frozen=True)
class Pose:
    """How a bird is put in the picture: `side` of its square box, its middle, where it stands, facing.

    `scatter` is the seed of what lies about it, `tint` counts through the tones of air and earth.
    """

    posture: float
    mirrored: bool
    side: float
    middle: float
    base: float
    tint: int = 0
    scatter: int = 0


def pose(rng: np.random.Generator) -> Pose:
    """A pose at random: large, about the middle."""
    return Pose(
        posture=float(rng.integers(-2, 3)) / 2,
        mirrored=bool(rng.integers(2)),
        side=float(rng.uniform(0.8, 0.9)),
        middle=float(rng.uniform(0.47, 0.53)),
        base=float(rng.uniform(0.86, 0.91)),
        tint=int(rng.integers(len(AIRS) * len(EARTHS))),
        scatter=int(rng.integers(2**16)),
    )


def surroundings(how: Pose) -> dict[str, RGB]:
    """The paints of air and earth."""
    names = ("", " shade", " light")
    far, near = AIRS[how.tint % len(AIRS)], EARTHS[how.tint // len(AIRS)]
    return {f"air{name}": far[k] for k, name in enumerate(names)} | {
        f"earth{name}": near[k] for k, name in enumerate(names)
    }


def draw(bird: Bird, how: Pose, size: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """A picture of `size` pixels, and the pixels (size, size) that the bird covers."""
    factor = 4 if size <= 256 else 3 if size <= 512 else 2
    tones = {**surroundings(how), **paints(bird)}
    rng = np.random.Generator(np.random.SFC64([how.scatter, 7]))
    behind, shapes = air(rng), shapes_of(bird, how.posture)
    under = (ground if bird.setting == "ground" else branch)(rng)
    canvas = Image.new("RGB", (size * factor, size * factor), tones["air"])
    pencil = ImageDraw.Draw(canvas)
    for shape in behind:
        pencil.polygon((shape.points * canvas.width).ravel().tolist(), fill=tones[shape.paint])
    paint(pencil, under, tones, how, canvas.width)
    paint(pencil, shapes, tones, how, canvas.width)
    mask = Image.new("L", (size, size))
    marks = ImageDraw.Draw(mask)
    for shape in shapes:
        marks.polygon((placed(shape, how) * size).ravel().tolist(), fill=1)
    return canvas.reduce(factor), np.asarray(mask) > 0


def paint(
    pencil: ImageDraw.ImageDraw, shapes: Sequence[Shape], tones: Mapping[str, RGB | int], how: Pose, scale: int
) -> None:
    """Paint shapes of the bird's box on a square canvas of `scale` pixels."""
    for shape in shapes:
        pencil.polygon((placed(shape, how) * scale).ravel().tolist(), fill=tones[shape.paint])


def placed(shape: Shape, how: Pose) -> NDArray[np.float32]:
    """Where a shape of the unit box lies in the picture, as shares of its side."""
    x = 1 - shape.points[:, 0] if how.mirrored else shape.points[:, 0]
    return np.stack([how.middle + how.side * (x - 0.5), how.base + how.side * (shape.points[:, 1] - 1)], 1)
