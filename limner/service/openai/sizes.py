"""Any size a client may ask for, and how it comes of the sizes that a model draws."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from PIL import Image, ImageOps

from ...errors import InvalidInput
from ...registry.manifest import Size

LEAST, MOST = 16, 1792
MOST_PIXELS = 1792 * 1024
ALLOWED = f"auto, or WIDTHxHEIGHT with sides of {LEAST} to {MOST} px and at most {MOST_PIXELS:,} px in all"

_SIDE = "(1[6-9]|[2-9][0-9]|[1-9][0-9]{2}|1[0-6][0-9]{2}|17[0-8][0-9]|179[0-2])"
PATTERN = f"^(auto|{_SIDE}x{_SIDE})$"
"""What `size_of` takes, for descriptions; that there are MOST_PIXELS at most, it does not say."""

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", re.ASCII)


def size_of(text: str | None) -> Size | None:
    """The size that "WxH" means, None for "auto" or nothing; InvalidInput out of range."""
    if text is None or text == "auto":
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidInput(f"'{text[:40]}' is no size; allowed: {ALLOWED}", field="size")
    width, height = int(found[1]), int(found[2])
    if min(width, height) < LEAST or max(width, height) > MOST or width * height > MOST_PIXELS:
        raise InvalidInput(f"'{text}' is out of range; allowed: {ALLOWED}", field="size")
    return Size(width=width, height=height)


def nearest(sizes: Sequence[Size], wanted: Size) -> Size:
    """Of a model's sizes the one to draw: of the shapes nearest to the wanted one the smallest that is large enough,
    or else the largest."""

    def cost(size: Size) -> tuple[float, bool, int]:
        shape = abs(math.log(size.width * wanted.height / (size.height * wanted.width)))
        short = size.width < wanted.width or size.height < wanted.height
        area = size.width * size.height
        return round(shape, 6), short, -area if short else area

    return min(sizes, key=cost)


def crops(drawn: Size, wanted: Size) -> bool:
    """Whether something is cut off: the shapes differ by a pixel of the wanted size or more."""
    return abs(drawn.width * wanted.height - drawn.height * wanted.width) >= max(drawn.width, drawn.height)


def fitted(picture: Image.Image, wanted: Size) -> Image.Image:
    """The middle of a picture in the wanted shape, resized to it (Lanczos)."""
    size = (wanted.width, wanted.height)
    return picture if picture.size == size else ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def written(size: Size) -> str:
    """A size as "WxH"."""
    return f"{size.width}x{size.height}"
