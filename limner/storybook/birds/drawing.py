"""Drawing birds: one in its setting, large, at any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..palette import RGB
from .bird import Bird
from .outlines import Pose, gathered, outlines_of, placed
from .plumage import AIRS, EARTHS, paints
from .setting import air, branch, ground


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
    behind = air(rng)
    under = gathered((ground if bird.setting == "ground" else branch)(rng))
    own = outlines_of(bird, how.posture)
    canvas = Image.new("RGB", (size * factor, size * factor), tones["air"])
    pencil = ImageDraw.Draw(canvas)
    for shape in behind:
        pencil.polygon((shape.points * canvas.width).ravel().tolist(), fill=tones[shape.paint])
    for points, spans in (under, own):
        flat = placed(points, how, canvas.width)
        for paint, first, last in spans:
            pencil.polygon(flat[2 * first : 2 * last], fill=tones[paint])
    mask = Image.new("L", (size, size))
    marks, flat = ImageDraw.Draw(mask), placed(own.points, how, size)
    for _, first, last in own.spans:
        marks.polygon(flat[2 * first : 2 * last], fill=1)
    return canvas.reduce(factor), np.asarray(mask) > 0
