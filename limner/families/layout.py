"""Further channels of the latents that say what stands where: the denoiser plans a picture before it paints it.

Beside what the autoencoder makes of a picture, every latent tells how much of it a subject fills, where in that
subject's own frame it lies, a code of what that subject is (its kind, which drawing of the kind, its pose), and its
median colour; and where a set tells of a subject's parts, all but the first of these of the part that is there. These
fields are smooth or constant over a subject, so that they are settled while there is still much noise, and what a
latent shows follows from them and the text alone, without a look around. Features that are diffused along with the
latents for their own sake are from Kouzelis et al. (2025, "ReDi"), coordinates within an object from Wang et al. (2019,
"NOCS"). The decoder reads these channels too (`decoder_stage.py`); the encoder guesses them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput
from ..registry.manifest import Layout
from ..registry.placing import PLACING

_CODE = 5  # channels of the code of a kind
CHANNELS = 3 + _CODE + 2 + 1 + 3
"""Share filled; x, y; the kind's code; cosine and sine of the drawing; pose; red, green, blue."""

CODES = slice(3, CHANNELS - 3)
"""Which of the layout channels say what a subject is; those before say where it is, those after in which colour."""

_LEAST = 1e-3  # deviation of a channel that says something
_REACH = 1.25  # how far beyond its frame, in halves of the frame, a subject still tells of itself


def kind_codes(*counts: int) -> NDArray[np.float32]:
    """Points (1 + sum of counts, 5) on the unit sphere, far from each other; the first, of what has no name, is its
    middle.

    Random points that push each other away, the same every time (Thomson's problem, by gradient). Of several counts
    each comes to the points of those before it, which stay where they are.
    """
    points = np.zeros((0, _CODE))
    for count in counts:
        points = np.concatenate([points, _further(points, count)])
    return np.concatenate([np.zeros((1, _CODE)), points]).astype(np.float32)


def codes_of(known: Layout) -> NDArray[np.float32]:
    """The codes (kinds, 5) of all kinds that a model's layout knows."""
    return kind_codes(max(len(known.names) - 1, 0) - sum(known.further), *known.further)


def with_kinds(known: Layout, names: Iterable[str]) -> Layout:
    """The layout of a model that is to learn these kinds, too; those that it knows keep their codes."""
    new = tuple(sorted(set(names) - set(known.names)))[: 255 - len(known.names)]
    if not new or not known.names:
        return known
    return known.model_copy(update={"names": (*known.names, *new), "further": (*known.further, len(new))})


def _further(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """`count` points more."""
    first = len(points)
    new = np.random.Generator(np.random.SFC64([_CODE, count])).standard_normal((count, _CODE))
    points = np.concatenate([points, new / np.linalg.norm(new, axis=1, keepdims=True)])
    for _ in range(300 if len(points) > 1 and count else 0):
        apart = points[first:, None] - points[None]  # (count, all, 5)
        near = np.linalg.norm(apart, axis=2) + np.eye(count, len(points), first)
        push = (apart / near[..., None] ** 4).sum(1)
        moved = points[first:] + 0.05 * push / np.linalg.norm(push, axis=1, keepdims=True).max()
        points[first:] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return points[first:]


def layout(
    placings: NDArray[np.float32], cells: NDArray[np.float16], codes: NDArray[np.float32], drawings: int
) -> NDArray[np.float32]:
    """The layout channels (N, CHANNELS, h, w) of pictures, of the subject that is nearest to each cell, or of the
    nearest part where one reaches.

    `placings` (N, K, 12) as in `PictureArrays`; `codes` (kinds, 5) of all kinds, the first of which is what has no
    name; `cells` (N, h, w) the share of each latent that shows a subject. The share is scaled to -1..1, and so are
    colours; coordinates run from -1 to 1 over the frame, x the other way in a mirrored one; away from every frame all
    but the share is 0.
    """
    h, w = cells.shape[1:]
    # (N, K) each
    left, top, right, bottom, kind, drawing, pose, facing = np.moveaxis(placings[..., :8], 2, 0)
    x = ((np.arange(w) + 0.5) / w - (left + right)[..., None] / 2) / np.maximum((right - left) / 2, 1e-3)[
        ..., None
    ]
    y = ((np.arange(h) + 0.5) / h - (top + bottom)[..., None] / 2) / np.maximum((bottom - top) / 2, 1e-3)[
        ..., None
    ]
    far = np.maximum(
        np.abs(y)[..., :, None], np.abs(x)[..., None, :]
    )  # (N, K, h, w), NaN where no subject is
    far = np.where(np.isnan(far), np.inf, far)
    parts = placings[:, :, PLACING.index("part"), None, None] == 1
    far = np.where(parts, np.where(far <= _REACH, far - 2 * _REACH, np.inf), far)
    nearest = far.argmin(1)  # (N, h, w)
    n, rows, columns = np.ogrid[: len(cells), :h, :w]
    within = far.min(1) <= _REACH
    known = np.nan_to_num(kind).astype(int) - 1  # row of the code
    angle = 2 * np.pi * np.nan_to_num(drawing) / drawings
    turned = np.where(drawings > 1, 1.0, 0.0) * (known > 0)
    told = np.concatenate(
        [
            codes[np.maximum(known, 0)],
            np.stack([turned * np.cos(angle), turned * np.sin(angle), np.nan_to_num(pose)], -1),
            2 * np.nan_to_num(placings[..., 8:11], nan=0.5) - 1,
        ],
        -1,
    )  # (N, K, CHANNELS - 3)
    said = np.where(within[..., None], told[n, nearest], 0)  # (N, h, w, CHANNELS - 3)
    return np.concatenate(
        [
            2 * cells.astype(np.float32)[:, None] - 1,
            np.where(within, (x * np.nan_to_num(facing)[..., None])[n, nearest, columns], 0)[:, None],
            np.where(within, y[n, nearest, rows], 0)[:, None],
            np.moveaxis(said, 3, 1),
        ],
        1,
    ).astype(np.float32)


NEEDS_MASKS = (
    "denoiser.layout needs masks of subjects, and no training picture has one; "
    "set layout = false in [denoiser], or train recipes/captioned-cpu.toml"
)


def check_placings(placings: NDArray[np.float32]) -> None:
    """Raise InvalidInput where no picture has a subject to tell the place of."""
    if np.isnan(placings).all():
        raise InvalidInput(NEEDS_MASKS, "denoiser.layout")


def scale_of(channels: NDArray[np.float32], names: tuple[str, ...], drawings: int) -> Layout:
    """What `layout` made of a training set (N, CHANNELS, h, w), and mean and deviation of each channel over it."""
    mean, std = channels.mean((0, 2, 3)), np.maximum(channels.std((0, 2, 3)), _LEAST)
    return Layout(mean=tuple(mean.tolist()), std=tuple(std.tolist()), names=names, drawings=drawings)


def tells(known: Layout, names: tuple[str, ...], drawings: int) -> bool:
    """Whether a layout that a model has learned says all that there is to say of these kinds and drawings of them."""
    return known.names == names and known.drawings >= drawings and len(known.mean) == CHANNELS


def standardised(channels: NDArray[np.float32], scale: Layout) -> NDArray[np.float16]:
    """Layout channels (..., CHANNELS, h, w) as a denoiser reads them: mean 0, deviation 1 in the set of `scale`.

    Of a model that has fewer of them, those. A channel that never varied there says nothing: it is 0 whatever comes.
    """
    mean, std = (np.array(each, np.float32)[:, None, None] for each in (scale.mean, scale.std))
    varied = np.where(std > _LEAST, (channels[..., : len(mean), :, :] - mean) / std, 0)
    return varied.astype(np.float16)
