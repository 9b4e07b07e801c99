"""Shape templates: every drawing of every subject in its poses and both facings, as a grid of paints.

They are made at run time from the drawings themselves. A template knows no colour: its cells name paints, so
the same template is held against a picture in any of the ten colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..palette import COLOURS, PAINTS, tone
from ..render import shapes_of
from ..subjects import SUBJECTS

GRID = 24
POSES = (-1.0, -0.5, 0.0, 0.5, 1.0)
NAMES = tuple(SUBJECTS)
PAINT_NAMES = ("outside", "main", "shade", "light", *PAINTS)
_FINE = 96

TONES: dict[str, NDArray[np.float32]] = {
    colour: np.asarray([tone(paint, colour) for paint in PAINT_NAMES[1:]], np.float32) for colour in COLOURS
}
"""The sRGB values of all paints but "outside" when a subject wears a colour, (paints - 1, 3)."""


@dataclass(frozen=True)
class Bank:
    """All templates, those of a subject side by side.

    `paints` (T, GRID * GRID) int32: the paint of each cell of the tight box, plus the number of paints where the
    cell holds more than one; `bounds` (T, 4) float32: that box (left, top, right, bottom) in the unit box;
    `subject` (T,) and `drawing` (T,) int; `first` (S,) where each subject's templates begin.
    """

    paints: NDArray[np.int32]
    bounds: NDArray[np.float32]
    subject: NDArray[np.int64]
    drawing: NDArray[np.int64]
    first: NDArray[np.int64]

    @property
    def aspect(self) -> NDArray[np.float32]:
        """The logarithm of width over height of each tight box."""
        width, height = (self.bounds[:, 2:] - self.bounds[:, :2]).T
        ratio: NDArray[np.float32] = np.log(width / height)
        return ratio


def _painted(subject: str, drawing: int, pose: float) -> NDArray[np.uint8]:
    """The paints of a drawing on a fine grid that reaches a quarter beyond the unit box."""
    margin = _FINE // 4
    canvas = Image.new("L", (_FINE + 2 * margin,) * 2)
    draw = ImageDraw.Draw(canvas)
    for shape in shapes_of(subject, drawing, pose):
        points = (shape.points * _FINE + margin).ravel().tolist()
        draw.polygon(points, fill=PAINT_NAMES.index(shape.paint))
    return np.asarray(canvas)


def _cells(painted: NDArray[np.uint8]) -> tuple[NDArray[np.int32], tuple[float, float, float, float]]:
    ys, xs = np.flatnonzero(painted.any(1)), np.flatnonzero(painted.any(0))
    cut = Image.fromarray(painted[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1])
    fine = np.asarray(cut.resize((GRID * 3, GRID * 3), Image.Resampling.NEAREST)).astype(np.int32)
    blocks = fine.reshape(GRID, 3, GRID, 3).transpose(0, 2, 1, 3).reshape(GRID * GRID, 9)
    mixed = (blocks != blocks[:, 4:5]).any(1)
    margin = _FINE // 4
    bounds = [(v - margin) / _FINE for v in (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1)]
    return blocks[:, 4] + len(PAINT_NAMES) * mixed, (bounds[0], bounds[1], bounds[2], bounds[3])


@lru_cache(maxsize=1)
def bank() -> Bank:
    """Draw all templates, once a process."""
    paints: list[NDArray[np.int32]] = []
    bounds: list[tuple[float, float, float, float]] = []
    subjects: list[int] = []
    drawings: list[int] = []
    first: list[int] = []
    for number, name in enumerate(NAMES):
        first.append(len(paints))
        for drawing in range(len(SUBJECTS[name].drawings)):
            for pose in POSES:
                painted = _painted(name, drawing, pose)
                for facing in (painted, painted[:, ::-1]):
                    cells, box = _cells(facing)
                    if (
                        paints
                        and number == subjects[-1]
                        and any(np.array_equal(cells, other) for other in paints[first[-1] :])
                    ):
                        continue
                    paints.append(cells)
                    bounds.append(box)
                    subjects.append(number)
                    drawings.append(drawing)
    return Bank(
        np.asarray(paints, np.int32),
        np.asarray(bounds, np.float32),
        np.asarray(subjects),
        np.asarray(drawings),
        np.asarray(first),
    )
