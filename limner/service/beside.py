"""What comes with a picture, kept in the image store: smaller sizes of it, and which word drew what."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..engine.heat import levels
from ..engine.request import Picture
from .images import ImageStore
from .jobs import Beside, Stored

_MOST_SIDE = 64  # of a map that is kept


def keep_beside(images: ImageStore, picture: Picture) -> Beside:
    """Keep what came with a picture; of its maps those for words, at most 64 places a side."""

    def kept(pixels: NDArray[np.uint8], height: int) -> Stored:
        return Stored(id=images.put(png_of(pixels)), width=pixels.shape[1], height=height)

    sizes = [kept(each, len(each)) for each in picture.pictures if each.shape != picture.pixels.shape]
    told = picture.attention
    if told is None or not told.words:
        return Beside(sizes=tuple(sizes))
    maps = []
    for stacked in told.maps:
        grey = [_bounded(levels(one)) for one in stacked]
        maps.append(kept(np.concatenate(grey), len(grey[0])))
    return Beside(sizes=tuple(sizes), words=told.words, maps=tuple(maps))


def _bounded(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = grey.shape
    if max(height, width) <= _MOST_SIDE:
        return grey
    share = _MOST_SIDE / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Pillow.fromarray(grey).resize(size, Pillow.Resampling.BOX))


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """Levels of grey (H, W) or colours (H, W, 3) as a PNG file."""
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def data_url(pixels: NDArray[np.uint8]) -> str:
    """Levels of grey (H, W) or colours (H, W, 3) as the URL of a PNG that holds them."""
    return "data:image/png;base64," + base64.b64encode(png_of(pixels)).decode()
