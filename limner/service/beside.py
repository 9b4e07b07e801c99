"""What comes with a picture, kept in the image store: smaller sizes of it, and which word drew what."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..answers import StepNote
from ..engine.heat import levels
from ..engine.request import Picture, Stepped
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


def step_note(event: Stepped, index: int) -> StepNote:
    """What is told of a step of picture `index` of a job."""
    preview = None if event.preview is None else data_url(event.preview)
    return StepNote(step=event.step, steps=event.steps, image=index, preview=preview)


def data_url(pixels: NDArray[np.uint8]) -> str:
    """Levels of grey (H, W) or colours (H, W, 3) as the URL of a PNG that holds them."""
    return "data:image/png;base64," + base64.b64encode(_small_png(pixels)).decode()


def _small_png(pixels: NDArray[np.uint8]) -> bytes:
    """As `png_of`, for pictures of a few hundred pixels that are made at every step: in a tenth of its time, without a
    look at what compresses best (PNG 1.2: 8-bit grey or colour, no filter)."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each row begins with its filter, 0
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b"")
    made = bytearray(b"\x89PNG\r\n\x1a\n")
    for kind, data in chunks:
        made += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return bytes(made)
