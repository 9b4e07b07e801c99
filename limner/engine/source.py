"""A picture to work from: what a drawing keeps of it, changes, or draws around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from ..errors import InvalidInput
from ..pictures import check_size, read_picture, to_rgb
from ..registry.manifest import Size

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
AnyPicture = str | Path | bytes | Image.Image | Pixels
"""A file, what is in one, or a picture in memory."""

MOST_PIXELS = 40_000_000
"""Pictures of more are refused before they are decoded."""
MOST_SIDE = 2048
"""Larger pictures are made smaller: no model draws more."""

# How far redrawn and kept pixels run into each other, in latent cells.
_SEAM = 0.25


@dataclass(frozen=True, eq=False)
class Source:
    """`pixels` uint8 (H, W, 3), and at most one way to say what of them is redrawn; without any, all is.

    `mask` uint8 (H, W): from 128 on. `keep`: all but this part, left, top, right, bottom as shares of the sides.
    `outward`: the picture is made smaller, this share (0.25 to 0.9) of both sides, and all around it is drawn. Shares
    are of what is left when the picture is cut to the shape that is drawn.
    """

    pixels: Pixels
    mask: Pixels | None = None
    keep: Box | None = None
    outward: float | None = None

    def __post_init__(self) -> None:
        """InvalidInput where the ways are several, or one is out of range or of another size."""
        ways = [name for name in ("mask", "keep", "outward") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise InvalidInput("give a mask, a part to keep, or outward: one of the three", field=ways[0])
        if self.mask is not None and self.mask.shape != self.pixels.shape[:2]:
            (height, width), (h, w) = self.pixels.shape[:2], self.mask.shape
            raise InvalidInput(
                f"the mask is {w}x{h} px and the picture {width}x{height}; give both the same size",
                field="mask",
            )
        if self.keep is not None:
            left, top, right, bottom = self.keep
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1 and self.keep != (0, 0, 1, 1)):
                raise InvalidInput(
                    f"keep={_listed(self.keep)}: left, top, right, bottom must be shares "
                    "from 0 to 1, left below right and top below bottom, and something must be left to redraw",
                    field="keep",
                )
        if self.outward is not None and not 0.25 <= self.outward <= 0.9:
            raise InvalidInput(
                f"outward={self.outward:g} is out of range; allowed: 0.25 to 0.9", field="outward"
            )

    def fitted(self, width: int, height: int) -> Source:
        """The middle of the picture in the shape of `width` x `height` px, resized to it, with its mask.

        InvalidInput where nothing of it is to be redrawn.
        """
        box = _middle(self.pixels.shape[1], self.pixels.shape[0], width / height)
        pixels = np.asarray(
            Image.fromarray(self.pixels).resize((width, height), Image.Resampling.LANCZOS, box)
        )
        if self.keep is not None:
            around = _around(self.keep, width, height)
            if not around.any():
                raise InvalidInput(
                    f"keep={_listed(self.keep)}: nothing is left to redraw of {width}x{height} px; keep less",
                    field="keep",
                )
            return Source(pixels, around)
        if self.outward is not None:
            return _surrounded(pixels, self.outward)
        if self.mask is None:
            return Source(pixels)
        mask = np.asarray(Image.fromarray(self.mask).resize((width, height), Image.Resampling.BOX, box))
        if not (mask >= 128).any():
            raise InvalidInput(
                f"nothing white of the mask lies in what is drawn, the middle of the picture as {width}x{height} px; "
                "paint white what is to be redrawn",
                field="mask",
            )
        return Source(pixels, mask)

    def cells(self, factor: int) -> NDArray[np.float32]:
        """1 for each latent cell of `factor` px with anything to redraw, else 0; (1, 1, H / factor, W / factor)."""
        h, w = self.pixels.shape[0] // factor, self.pixels.shape[1] // factor
        if self.mask is None:
            return np.ones((1, 1, h, w), np.float32)
        most: Pixels = self.mask.reshape(h, factor, w, factor).max((1, 3))
        return np.where(most >= 128, 1, 0)[None, None].astype(np.float32)

    def pasted(self, drawn: Pixels, factor: int) -> Pixels:
        """`drawn` (H, W, 3) where it was to be redrawn, the picture itself elsewhere; the seam is soft."""
        if self.mask is None:
            return drawn
        hard = Image.fromarray(np.where(self.mask >= 128, 255, 0).astype(np.uint8))
        soft = hard.filter(ImageFilter.GaussianBlur(_SEAM * factor))
        return np.asarray(Image.composite(Image.fromarray(drawn), Image.fromarray(self.pixels), soft))


def read_source(
    image: AnyPicture, mask: AnyPicture | None = None, keep: Box | None = None, outward: float | None = None
) -> Source:
    """What to work from. Any mode and format that `limner.pictures` reads; InvalidInput names what is wrong."""
    pixels = np.asarray(opened(image, "image"))
    shown = None if mask is None else np.asarray(opened(mask, "mask").convert("L"))
    try:
        return Source(pixels, shown, keep, outward)
    except (TypeError, ValueError) as error:
        field = "keep" if keep is not None else "outward"
        raise InvalidInput(f"{field}: {error}", field=field) from None


def opened(picture: AnyPicture, field: str) -> Image.Image:
    """Any picture, upright, as RGB of at most 2048 px a side, transparency over white; InvalidInput names `field`."""
    try:
        if isinstance(picture, str | Path | bytes):
            picture = read_picture(picture if isinstance(picture, bytes) else Path(picture), most=MOST_PIXELS)
        elif isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        elif isinstance(picture, Image.Image):
            check_size(picture, MOST_PIXELS)
            picture = ImageOps.exif_transpose(picture)
        else:
            raise InvalidInput(
                f"a {type(picture).__name__} is no picture: give a path, bytes, an array or a Pillow image"
            )
        if min(picture.size) < 8:
            raise InvalidInput(f"the {field} is {picture.width}x{picture.height} px; at least 8x8")
        picture = to_rgb(picture)
    except (InvalidInput, TypeError, ValueError, OSError) as error:
        raise InvalidInput(str(error), field=field) from None
    picture.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    return picture


def _listed(box: Box) -> str:
    return ",".join(f"{share:g}" for share in box)


def _around(keep: Box, width: int, height: int) -> Pixels:
    left, top, right, bottom = keep
    mask = np.full((height, width), 255, np.uint8)
    mask[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 0
    return mask


def _surrounded(pixels: Pixels, share: float) -> Source:
    """The picture made smaller; what lies outside begins as its nearest edge, so that its colours go on."""
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize(
        (max(1, round(width * share)), max(1, round(height * share))), Image.Resampling.LANCZOS
    )
    left, top = (width - small.width) // 2, (height - small.height) // 2
    sides = ((top, height - small.height - top), (left, width - small.width - left))
    mask = np.pad(np.zeros((small.height, small.width), np.uint8), sides, constant_values=255)
    return Source(np.pad(np.asarray(small), (*sides, (0, 0)), mode="edge"), mask)


def size_like(sizes: Sequence[Size], width: int, height: int) -> Size:
    """The first of the sizes among those whose shape is nearest to `width` x `height`."""
    wanted = np.log(width / height)
    return min(sizes, key=lambda size: abs(np.log(size.width / size.height) - wanted))


def _middle(width: int, height: int, ratio: float) -> Box:
    """The largest box of that width to height in the middle of a picture, in pixels."""
    wide, high = min(width, height * ratio), min(height, width / ratio)
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high
