"""What stands in front: how far each pixel is from the background's tones, and the regions that stand out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..palette import COLOURS, PAINTS
from ..places import lit
from .places import Setting, bands

SIZE = 128
_STANDS_OUT = 30.0
_LEAST = 40
_SOLID = 16
_REACH = 2.0
_EDGE = 9
_MIXTURE = 24.0

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def area(self) -> int:
        return self.width * self.height

    def grown(self, share: float) -> Box:
        """The box with `share` of its size added on every side, within the picture."""
        dx, dy = round(share * self.width) + 2, round(share * self.height) + 2
        return Box(
            max(0, self.left - dx),
            max(0, self.top - dy),
            min(SIZE, self.right + dx),
            min(SIZE, self.bottom + dy),
        )

    def overlap(self, other: Box) -> float:
        """The shared area, as a share of the smaller box."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, width) * max(0, height) / max(1, min(self.area, other.area))


@dataclass(frozen=True)
class View:
    """A picture taken apart.

    `pixels` float32 (128, 128, 3), smoothed; `behind` (128, 128) the distance in RGB to the nearest background
    tone; `front` (128, 128) bool the pixels that stand out.
    """

    pixels: Float
    behind: Float
    front: Bool


_TONES = np.asarray(
    [tone for tones in COLOURS.values() for tone in tones] + list(PAINTS.values()), np.float32
)


def _distance(pixels: Float, tone: tuple[int, int, int] | Float) -> Float:
    gap: Float = pixels - np.asarray(tone, np.float32)
    found: Float = np.sqrt(np.einsum("...k,...k->...", gap, gap))
    return found


def _sign_distance(pixels: Float, time: str) -> Float:
    """The distance to any mixture of a sign's letters and its board or frame."""
    ink = np.asarray(lit((70, 50, 60), time), np.float32)
    nearest = np.full(pixels.shape[:2], 255.0, np.float32)
    for other in ((246, 240, 224), (150, 112, 82)):
        board = np.asarray(lit(other, time), np.float32)
        for a, b in ((ink, board), (np.asarray(lit((150, 112, 82), time), np.float32), board)):
            along = b - a
            share = np.clip((pixels - a) @ along / max(1.0, float(along @ along)), 0, 1)
            nearest = np.minimum(nearest, _distance(pixels, a + share[..., None] * along))
    return nearest


def _behind(pixels: Float, setting: Setting, sign: bool) -> Float:
    rows = (np.arange(SIZE) + 0.5) / SIZE
    nearest = np.full((SIZE, SIZE), 255.0, np.float32)
    for band in bands(setting.place, setting.time, setting.weather, sign):
        here = np.flatnonzero((rows >= band.top) & (rows <= band.bottom))
        if not len(here):
            continue
        part = slice(int(here[0]), int(here[-1]) + 1)
        gap = _distance(pixels[part], band.tone)
        if band.share > 0.1 and (gap < 26).mean() < 0.012:
            continue
        nearest[part] = np.minimum(nearest[part], gap)
    if sign:
        part, width = slice(int(0.37 * SIZE), int(0.62 * SIZE)), int(0.4 * SIZE)
        gap = _sign_distance(pixels[part, :width], setting.time)
        nearest[part, :width] = np.minimum(nearest[part, :width], gap)
    return nearest


def _between(pixels: Float, ground: Bool) -> Bool:
    """Pixels whose colour is a mixture of two background pixels on either side in the same row."""
    columns = np.broadcast_to(np.arange(SIZE), ground.shape)
    before = np.maximum.accumulate(np.where(ground, columns, -1), 1)
    after = np.minimum.accumulate(np.where(ground, columns, SIZE)[:, ::-1], 1)[:, ::-1]
    near = (before >= 0) & (after < SIZE) & (after - before <= _EDGE)
    rows = np.arange(SIZE)[:, None]
    first, second = pixels[rows, np.maximum(before, 0)], pixels[rows, np.minimum(after, SIZE - 1)]
    along = second - first
    share = np.einsum("...k,...k->...", pixels - first, along) / np.maximum(
        np.einsum("...k,...k->...", along, along), 1
    )
    mixture = first + np.clip(share, -0.15, 1.15)[..., None] * along
    return near & (_distance(pixels, mixture) < _MIXTURE)


def _blended(pixels: Float, ground: Bool) -> Bool:
    """The blurred edges between one part of the background and the next."""
    return _between(pixels, ground) | _between(pixels.transpose(1, 0, 2), ground.T).T


def view(pixels: NDArray[np.uint8], setting: Setting, sign: bool) -> View:
    """Take a picture, uint8 (128, 128, 3), apart into what is behind and what stands in front."""
    smooth = ndimage.median_filter(pixels, (3, 3, 1)).astype(np.float32)
    behind = _behind(smooth, setting, sign)
    flat = smooth.reshape(-1, 3)
    squared = (flat**2).sum(1)[:, None] - 2 * flat @ _TONES.T + (_TONES**2).sum(1)
    subject = np.sqrt(np.maximum(squared.min(1), 0)).reshape(SIZE, SIZE)
    front = (behind > _STANDS_OUT) | ((behind > 17) & (subject < 0.5 * behind))
    ground = behind < np.clip(1.6 * np.median(behind), 17, 28)
    front &= ~_blended(smooth, ground)
    return View(smooth, behind, front)


def regions(front: Bool) -> list[tuple[Box, Bool]]:
    """The connected regions that stand out, large ones first; parts within one another's boxes are joined."""
    cores = ndimage.binary_opening(front, np.ones((2, 2)))
    labels, count = ndimage.label(cores, np.ones((3, 3)))
    if not count:
        return []
    far, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    labels = np.where(front & (far <= _REACH), labels[nearest[0], nearest[1]], 0)
    sizes = ndimage.sum_labels(front, labels, np.arange(1, count + 1))
    found: list[tuple[Box, Bool]] = []
    slices = ndimage.find_objects(labels)
    for k in np.argsort(-sizes):
        if sizes[k] < _LEAST:
            break
        ys, xs = slices[k]
        solid = ndimage.binary_opening(labels[ys, xs] == k + 1, np.ones((3, 3))).sum()
        if solid >= _SOLID:
            found.append((Box(xs.start, ys.start, xs.stop, ys.stop), labels == k + 1))
    joined = True
    while joined:
        joined = False
        for i in range(len(found)):
            for j in range(len(found) - 1, i, -1):
                if found[i][0].overlap(found[j][0]) > 0.45:
                    found[i] = merge(found[i], found[j])
                    del found[j]
                    joined = True
    return found


def merge(a: tuple[Box, Bool], b: tuple[Box, Bool]) -> tuple[Box, Bool]:
    """Two regions as one."""
    p, q = a[0], b[0]
    box = Box(min(p.left, q.left), min(p.top, q.top), max(p.right, q.right), max(p.bottom, q.bottom))
    return box, a[1] | b[1]


def tight(mask: Bool) -> Box:
    """The smallest box around a mask that is not empty."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return Box(int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
