"""One picture or mask of a captioned set to one square array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..pictures import read_picture, to_rgb


def _square(image: Image.Image, size: int, how: Image.Resampling) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size), how)


def load_picture(file: Path, size: int) -> NDArray[np.uint8]:
    """The middle square of a picture, uint8 (size, size, 3), sRGB.

    Turned as its EXIF says, transparency over white, any mode, resized by Lanczos. The first frame of an
    animation. PictureError (an InvalidInput) where the file is missing, broken, truncated or too large.
    """
    image = to_rgb(read_picture(file, at_least=2 * size))
    return np.array(_square(image, size, Image.Resampling.LANCZOS), np.uint8)


def load_mask(file: Path, size: int) -> NDArray[np.uint8]:
    """The middle square of a mask, uint8 (size, size), nearest neighbour: values stay what they are.

    Palette pictures give their indices, one-bit pictures 0 and 1, more than 8 bits are cut off at 255.
    PictureError as for `load_picture`.
    """
    image = read_picture(file)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    elif image.mode == "1":
        image = Image.fromarray(np.asarray(image).astype(np.uint8))
    elif image.mode not in ("L", "P"):
        image = image.convert("L")
    return np.array(_square(image, size, Image.Resampling.NEAREST), np.uint8)
