"""Which word stands on the sign in a picture: the one whose drawing goes best with what is there.

Signs stand where `render.draw_sign` puts them. Each word is held against that part of the picture, a little moved and a
little larger or smaller, by the correlation of light and dark, so that the time of day is of no account.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..render import BOARD, draw_sign
from ..scene import SIGN_WORDS
from .segmentation import SIZE

_FACTOR = 4
_FRAME = 0.024  # of the board, which all words share, and a little more
_SCALES = (0.9, 1.0, 1.1)
_MOVED = 5  # pixels of a picture of SIZE
_LIKE = 0.6  # the least correlation of a word that is there; one letter of four may still be another
_PLAIN = 4.0  # the least deviation, in grey levels, of what may be a word


def sign_word(pixels: NDArray[np.uint8]) -> tuple[str, float]:
    """The likeliest word on the sign of a picture, uint8 (SIZE, SIZE, 3), and its correlation, -1 to 1."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    best = dict.fromkeys(SIGN_WORDS, -1.0)
    for scale in _SCALES:
        templates, (left, top) = _templates(scale)
        height, width = templates.shape[1:]
        part = grey[
            max(0, top - _MOVED) : top + height + _MOVED, max(0, left - _MOVED) : left + width + _MOVED
        ]
        windows = sliding_window_view(part, (height, width)).reshape(-1, height * width)
        windows = windows - windows.mean(1, keepdims=True)
        norms = np.maximum(np.linalg.norm(windows, axis=1), _PLAIN * np.sqrt(height * width))
        fits = (windows @ templates.reshape(len(templates), -1).T / norms[:, None]).max(0)
        best = {word: max(best[word], float(fit)) for word, fit in zip(SIGN_WORDS, fits, strict=True)}
    word = max(SIGN_WORDS, key=lambda each: best[each])
    return word, best[word]


def legible(fit: float) -> bool:
    """Whether a word goes with a picture well enough to be there at all."""
    return fit > _LIKE


@lru_cache(maxsize=len(_SCALES))
def _templates(scale: float) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Each word on its board, grey, (words, h, w), of mean 0 and length 1, and its left and top in pixels."""
    x0, y0, x1, y1 = (
        SIZE * (edge + inset) for edge, inset in zip(BOARD, (_FRAME, _FRAME, -_FRAME, -_FRAME), strict=True)
    )
    cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, scale * (x1 - x0), scale * (y1 - y0)
    left, top, width, height = round(cx - w / 2), round(cy - h / 2), round(w), round(h)
    found = []
    for word in SIGN_WORDS:
        canvas = Image.new("RGB", (SIZE * _FACTOR, SIZE * _FACTOR))
        draw_sign(ImageDraw.Draw(canvas), word, SIZE * _FACTOR, (96, 96, 96), (240, 240, 240), (40, 40, 40))
        board = canvas.convert("L").crop((_FACTOR * x0, _FACTOR * y0, _FACTOR * x1, _FACTOR * y1))
        grey = np.asarray(board.resize((width, height), Image.Resampling.BOX), np.float32)
        grey -= grey.mean()
        found.append(grey / np.linalg.norm(grey))
    return np.stack(found), (left, top)
