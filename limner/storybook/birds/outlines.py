"""The outlines of a drawing, gathered into one array, so that all of it is placed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..shapes import Points, Shape
from .bird import ABSENT, Bird
from .parts import shapes_of


@dataclass(frozen=True)
class Pose:
    """How a bird is put in the picture: `side` of its square box, its middle, where it stands, facing.

    `posture`, -1 to 1, is how low it holds its head; `scatter` is the seed of what lies about it, `tint` counts through
    the tones of air and earth.
    """

    posture: float
    mirrored: bool
    side: float
    middle: float
    base: float
    tint: int = 0
    scatter: int = 0


class Outlines(NamedTuple):
    """All points of some shapes (N, 2), and of each its paint, its first point and the one after its last."""

    points: Points
    spans: tuple[tuple[str, int, int], ...]


def gathered(shapes: Sequence[Shape]) -> Outlines:
    """The outlines of shapes, in their order."""
    ends = np.cumsum([0, *(len(one.points) for one in shapes)]).tolist()
    spans = zip((one.paint for one in shapes), ends[:-1], ends[1:], strict=True)
    return Outlines(np.concatenate([one.points for one in shapes]), tuple(spans))


def outlines_of(bird: Bird, posture: float) -> Outlines:
    """The outlines of a bird in its unit box; they do not depend on its colours."""
    bars = bird.wingbars if bird.wingbars in (None, ABSENT) else "white"
    return _known(Bird(body=bird.body, bill=bird.bill, eyering=bird.eyering, wingbars=bars), posture)


@lru_cache(maxsize=1024)
def _known(shape: Bird, posture: float) -> Outlines:
    return gathered(shapes_of(shape, posture))


def placed(points: Points, how: Pose, size: int) -> list[float]:
    """Points of a bird's box (N, 2) as pixels of a picture of `size`: x, y, x, y, ..."""
    x = 1 - points[:, 0] if how.mirrored else points[:, 0]
    across = (how.middle + how.side * (x - 0.5)) * size
    down = (how.base + how.side * (points[:, 1] - 1)) * size
    flat: list[float] = np.stack([across, down], 1).ravel().tolist()
    return flat
