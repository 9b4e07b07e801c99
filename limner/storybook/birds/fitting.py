"""How far a picture is from drawings of birds: the drawing is laid over the picture as a map of paints.

For one placing and one choice of shapes the map says which pixels are crown, which are wing, and so on. Summing the
picture's distances to every colour over each part gives how far the picture is from the drawing in *all* colours at
once, so that only placings and shapes are searched, never colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..palette import RGB
from .bird import ABSENT, SETTINGS, VALUES, Bird
from .outlines import Outlines, Pose, gathered, outlines_of, placed
from .plumage import AIRS, EARTHS, FIXED, PARTS, PLUMAGE
from .setting import branch, ground

Pixels = NDArray[np.float32]

_FAR = 90.0  # grey levels from which on one pixel is as wrong as any other
_COLOURS = tuple(PLUMAGE)
_TONES = ("", " shade", " light")
_LABELS = {
    name: number
    for number, name in enumerate(
        [part + tone for part in PARTS for tone in _TONES] + list(FIXED) + ["air", "earth"]
    )
} | {"earth shade": 3 * len(PARTS) + len(FIXED) + 1, "earth light": 3 * len(PARTS) + len(FIXED) + 1}
_COUNT = 3 * len(PARTS) + len(FIXED) + 2
_AIR, _EARTH = _COUNT - 2, _COUNT - 1
_FIRST_FIXED = 3 * len(_COLOURS)  # of the paints that a pixel is held against


@dataclass(frozen=True)
class Fit:
    """How far a picture is from one drawing, in grey levels a pixel, with the best colours.

    `parts` is, for each trait that is a colour, how far it is with each value, all other colours at their best.
    """

    cost: float
    parts: dict[str, dict[str, float]]


@lru_cache(maxsize=2)
def _under(setting: str) -> Outlines:
    return gathered((ground if setting == "ground" else branch)(np.random.Generator(np.random.SFC64(0))))


def labels(shape: Bird, how: Pose, size: int, bird: bool = True) -> NDArray[np.uint8]:
    """The map of paints (size, size) of a drawing; of `shape` only body, setting, bill, eyering and wingbars count.

    Without `bird` it is what would be there before the bird came.
    """
    canvas = Image.new("L", (size, size), _AIR)
    pencil = ImageDraw.Draw(canvas)
    # PIL fills the pixels whose corners are inside; half a pixel back makes it those whose middles are.
    how = replace(how, middle=how.middle - 0.5 / size, base=how.base - 0.5 / size)
    drawn = [_under(shape.setting or "perch")] + ([outlines_of(shape, how.posture)] if bird else [])
    for points, spans in drawn:
        flat = placed(points, how, size)
        for paint, first, last in spans:
            pencil.polygon(flat[2 * first : 2 * last], fill=_LABELS[paint])
    return np.asarray(canvas)


def _distances(seen: Pixels, tones: Sequence[RGB]) -> Pixels:
    """From pixels (N, 3) to tones: the largest difference of a channel, (N, tones)."""
    columns = np.array(tones, np.float32)
    found: Pixels = np.abs(seen[:, :1] - columns[:, 0])
    for channel in (1, 2):
        np.maximum(found, np.abs(seen[:, channel, None] - columns[:, channel]), out=found)
    return found


def _surroundings(sums: Pixels) -> float:
    """What `Canvas._sums` says of paints that are not a bird's to choose; air and earth in the tone that suits best."""
    cost = sum(float(sums[_LABELS[name], _FIRST_FIXED + k]) for k, name in enumerate(FIXED))
    airs = _FIRST_FIXED + len(FIXED)
    grounds = airs + len(AIRS)
    return cost + float(sums[_AIR, airs:grounds].min() + sums[_EARTH, grounds:].min())


class Canvas:
    """A picture at one size, as the distances of its pixels to every paint."""

    def __init__(self, pixels: NDArray[np.uint8], size: int) -> None:
        image = Image.fromarray(pixels)
        method = Image.Resampling.BOX if min(image.size) >= size else Image.Resampling.BICUBIC
        seen = np.asarray(image.resize((size, size), method), np.float32).reshape(-1, 3)
        self.size = size
        columns = [tone for colour in PLUMAGE.values() for tone in colour] + list(FIXED.values())
        near = _distances(seen, columns)
        far = [_distances(seen, tones).min(1) for tones in (*AIRS, *EARTHS)]
        self._far = np.minimum(np.concatenate([near, np.stack(far, 1)], 1), _FAR)  # (N, paints)

    def bare(self, how: Pose) -> float:
        """The distance of the picture from what may be there without a bird: air alone, or a setting at this place."""
        air = float(self._far[:, -len(AIRS) - len(EARTHS) : -len(EARTHS)].mean(0).min())
        settings = (
            self._sums(labels(Bird(setting=setting), how, self.size, bird=False)) for setting in SETTINGS
        )
        return min(air, *(_surroundings(sums) for sums in settings))

    def _sums(self, flat: NDArray[np.uint8]) -> Pixels:
        """How far each part of a map of paints is from every paint, (labels, paints), as shares of the picture."""
        here = (flat.ravel() == np.arange(_COUNT, dtype=np.uint8)[:, None]).astype(np.float32)
        sums: Pixels = here @ self._far / np.float32(flat.size)
        return sums

    def fit(self, shape: Bird, how: Pose) -> Fit:
        """The distance from a drawing of this shape, its colours being what suits best."""
        sums = self._sums(labels(shape, how, self.size))
        cost = _surroundings(sums)
        in_colour = sums[: 3 * len(PARTS), :_FIRST_FIXED].reshape(len(PARTS), 3, len(_COLOURS), 3)
        each = np.einsum("ptct->pc", in_colour)  # (parts, colours)
        costs = {
            kind: {value: float(each[k, _COLOURS.index(value)]) for value in VALUES[kind] if value != ABSENT}
            for k, kind in enumerate(PARTS.values())
        }
        # A ring in the colour of the face, or bars in that of the wing, would be none.
        for kind, other in (("eyering_colour", "colour"), ("wingbars", "wing")):
            hidden = min(costs[other], key=costs[other].__getitem__)
            if getattr(shape, "eyering" if kind == "eyering_colour" else kind) != ABSENT:
                costs[kind].pop(hidden, None)
            else:
                costs[kind] = {}
        least = {kind: min(found.values(), default=0.0) for kind, found in costs.items()}
        cost += sum(least.values())
        return Fit(
            cost,
            {
                kind: {value: cost - least[kind] + one for value, one in found.items()}
                for kind, found in costs.items()
            },
        )
