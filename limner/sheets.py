"""Pages of pictures: side by side, or with their captions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

_ACROSS = 4
_LEAST_SIDE = 192
_LINE, _LETTER = 14, 7


def grid(rows: Sequence[Sequence[Pixels]]) -> Image.Image:
    """Pictures (H, W, 3) side by side, row under row."""
    return Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows], 0))


def captioned(pictures: Sequence[Pixels], captions: Sequence[str]) -> Image.Image:
    """Pictures (H, W, 3) of one size, four in a row, each above its caption; small ones are shown larger."""
    height, width = pictures[0].shape[:2]
    scale = max(1, -(-_LEAST_SIDE // width))
    height, width = height * scale, width * scale
    lines = [textwrap.wrap(caption, width // _LETTER) for caption in captions]
    room = _LINE * (max(map(len, lines)) + 1)
    page = Image.new(
        "RGB", (width * min(_ACROSS, len(pictures)), (height + room) * -(-len(pictures) // _ACROSS)), "white"
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for k, (picture, text) in enumerate(zip(pictures, lines, strict=True)):
        x, y = k % _ACROSS * width, k // _ACROSS * (height + room)
        page.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST), (x, y))
        draw.multiline_text((x + 4, y + height + 2), "\n".join(text), "black", font, spacing=2)
    return page
