"""Word maps as pictures to look at: where a word drew, the picture glows; elsewhere it is grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..sheets import captioned
from .request import WordMaps

Pixels = NDArray[np.uint8]

# From no glow to all of it: dark violet, red, orange, pale yellow, evenly spaced.
_GLOW = np.array([(36, 16, 62), (140, 32, 92), (226, 84, 50), (252, 176, 48), (252, 250, 200)], np.float32)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_SEEN = 0.35  # of the picture, where nothing glows


def levels(shares: NDArray[np.float32]) -> Pixels:
    """A map (h, w) as levels of 0 to 255, its own least to its most."""
    least, most = float(shares.min()), float(shares.max())
    return ((shares - least) * (255 / max(most - least, 1e-6))).round().astype(np.uint8)


def heat(pixels: Pixels, shares: NDArray[np.float32]) -> Pixels:
    """A picture (H, W, 3) under the glow of a map (h, w)."""
    height, width = pixels.shape[:2]
    large = Image.fromarray(levels(shares)).resize((width, height), Image.Resampling.BICUBIC)
    glow = np.asarray(large, np.float32)[..., None] / 255
    at = glow[..., 0] * (len(_GLOW) - 1)
    colours = np.stack([np.interp(at, range(len(_GLOW)), _GLOW[:, k]) for k in range(3)], -1)
    grey = (pixels.astype(np.float32) @ _GREY)[..., None]
    mixed = _SEEN * grey + (1 - _SEEN) * colours + glow * 0.25 * (grey - 128)
    return mixed.clip(0, 255).round().astype(np.uint8)


def word_sheet(pixels: Pixels, attention: WordMaps, size: int = -1) -> Image.Image:
    """The picture (H, W, 3) and its heat by each word, captioned, four in a row; of the map at `size`, the finest.

    Of a text without words, the picture alone.
    """
    heats = [heat(pixels, shares) for shares in attention.maps[size]]
    return captioned([pixels, *heats], ["the picture", *attention.words])
