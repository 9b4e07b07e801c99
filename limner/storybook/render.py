"""From a scene to a picture: any size, the same for the same seed and index, with masks and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .grammar import random_for, sample
from .layout import Drawings, Placed, arrange
from .palette import RGB, tone
from .places import background, lit, shadow
from .scene import Scene
from .shapes import Shape, ellipse
from .subjects import SUBJECTS

BOARD = (0.04, 0.4, 0.37, 0.58)  # of a sign: left, top, right, bottom of a picture of side 1
SIGN_TONES: tuple[RGB, RGB, RGB] = ((150, 112, 82), (246, 240, 224), (70, 50, 60))  # wood, board, ink


@dataclass(frozen=True)
class Rendered:
    """A drawn scene.

    `image` is RGB; `scene` says everything that is in it; `placed` are the subjects in drawing order;
    `masks` (N, H, W) bool are the pixels of each that are not hidden by a later one.
    """

    image: Image.Image
    scene: Scene
    placed: tuple[Placed, ...]
    masks: NDArray[np.bool_]

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """The visible box of each subject in pixels: left, top, right, bottom (exclusive)."""
        found = []
        for mask in self.masks:
            ys, xs = np.nonzero(mask)
            found.append(
                (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
                if len(xs)
                else (0, 0, 0, 0)
            )
        return found


@lru_cache(maxsize=1024)
def shapes_of(subject: str, drawing: int, pose: float) -> tuple[Shape, ...]:
    """The shapes of one drawing in its unit box."""
    return tuple(SUBJECTS[subject].drawings[drawing](pose))


def _supersampling(size: int) -> int:
    return 4 if size <= 256 else 3 if size <= 512 else 2


def _outline(shape: Shape, placed: Placed) -> NDArray[np.float32]:
    x = 1 - shape.points[:, 0] if placed.mirrored else shape.points[:, 0]
    return np.stack([placed.left + placed.side * x, placed.top + placed.side * shape.points[:, 1]], 1)


def _shade(draw: ImageDraw.ImageDraw, placed: Placed, scene: Scene, scale: int) -> None:
    base, cx, half = placed.top + placed.side, placed.left + placed.side / 2, placed.side / 2
    patch = ellipse(cx, base - 0.004, half * 0.84, half * 0.11, "")
    draw.polygon(
        (patch.points * scale).ravel().tolist(), fill=shadow(scene.place or "meadow", scene.time or "day")
    )


def draw_sign(draw: ImageDraw.ImageDraw, word: str, scale: int, wood: RGB, board: RGB, ink: RGB) -> None:
    """A sign with a word, `scale` pixels to a picture's side, in these colours; its board is `BOARD`."""
    x0, y0, x1, y1 = BOARD
    for a, b, c, d, colour, radius in (
        (0.185, y1 - 0.02, 0.225, 0.9, wood, 0.0),
        (x0, y0, x1, y1, wood, 0.025),
        (x0 + 0.018, y0 + 0.018, x1 - 0.018, y1 - 0.018, board, 0.015),
    ):
        draw.rounded_rectangle((a * scale, b * scale, c * scale, d * scale), radius * scale, fill=colour)
    widest = (x1 - x0 - 0.06) * scale
    font = ImageFont.load_default(0.13 * scale)
    font = ImageFont.load_default(0.13 * scale * min(1.0, widest / font.getlength(word)))
    middle = ((x0 + x1) / 2 * scale, (y0 + y1) / 2 * scale)
    draw.text(
        middle,
        word,
        fill=ink,
        font=font,
        anchor="mm",
        stroke_width=max(1, scale // 250),
        stroke_fill=ink,
    )


def draw_scene(
    scene: Scene, rng: np.random.Generator, size: int, with_masks: bool = True, drawings: Drawings = "all"
) -> Rendered:
    """Draw a whole scene (no None in it) as a square picture of `size` pixels, 16 to 2048; `drawings` is as in
    `arrange`."""
    factor = _supersampling(size)
    scale = size * factor
    canvas = Image.new("RGB", (scale, scale))
    draw = ImageDraw.Draw(canvas)
    for shape, colour in background(
        rng, scene.place or "meadow", scene.time or "day", scene.weather or "clear"
    ):
        draw.polygon((shape.points * scale).ravel().tolist(), fill=colour)
    if scene.sign is not None:
        draw_sign(draw, scene.sign, scale, *(lit(tone, scene.time or "day") for tone in SIGN_TONES))
    placed = arrange(rng, scene, drawings)
    owners = Image.new("L", (size, size))
    marks = ImageDraw.Draw(owners)
    for one in placed:
        if one.grounded:
            _shade(draw, one, scene, scale)
    for number, one in enumerate(placed, 1):
        for shape in shapes_of(one.subject, one.drawing, one.pose):
            points = _outline(shape, one)
            draw.polygon((points * scale).ravel().tolist(), fill=tone(shape.paint, one.colour))
            if with_masks:
                marks.polygon((points * size).ravel().tolist(), fill=number)
    owner = np.asarray(owners)
    masks = np.stack([owner == number for number in range(1, len(placed) + 1)])
    return Rendered(canvas.reduce(factor), scene, tuple(placed), masks)


def render(seed: int, index: int, size: int, held_out: bool = False, drawings: Drawings = "all") -> Rendered:
    """Scene `index` of `seed` at any size: the same scene at every size, whatever the `drawings` (`arrange`)."""
    rng = random_for(seed, index)
    return draw_scene(sample(rng, held_out), rng, size, drawings=drawings)
