"""One picture or mask of a captioned set to one array of a given size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..pictures import PictureError, read_picture, to_rgb
from .metadata import Box


def middle(size: tuple[int, int], width: int, height: int) -> Box:
    """The largest middle part of the shape width : height of a picture of this size, in its pixels."""
    scale = min(size[0] / width, size[1] / height)
    across, down = min(round(width * scale), size[0]), min(round(height * scale), size[1])
    left, top = (size[0] - across) // 2, (size[1] - down) // 2
    return left, top, left + across, top + down


def _middle(image: Image.Image, width: int, height: int, how: Image.Resampling) -> Image.Image:
    return image.crop(middle(image.size, width, height)).resize((width, height), how)


def load_picture(
    file: Path, size: int, height: int | None = None, box: Box | None = None
) -> NDArray[np.uint8]:
    """The middle square of a picture, uint8 (size, size, 3), sRGB; with a `height`, the part of size : height.

    Of what lies in its `box`, if there is one. Turned as its EXIF says, transparency over white, any mode, resized by
    Lanczos. The first frame of an animation. PictureError (an InvalidInput) where the file is missing, broken,
    truncated or too large, or the box lies beside the picture.
    """
    image = to_rgb(read_boxed(file, 2 * max(size, height or 0), box))
    return np.array(_middle(image, size, height or size, Image.Resampling.LANCZOS), np.uint8)


def within(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies in a picture of this size."""
    return max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)


def read_boxed(file: Path, at_least: int | None, box: Box | None) -> Image.Image:
    """What lies in the box of a picture, as far as the picture reaches, or all of it; else as `read_picture`."""
    image = read_picture(file, at_least if box is None else None)
    if box is None:
        return image
    left, top, right, bottom = within(box, *image.size)
    if left >= right or top >= bottom:
        size = f"{image.width} x {image.height}"
        raise PictureError(
            f"picture '{file}' has {size} pixels, and its box {box} lies beside them", "broken"
        )
    return image.crop((left, top, right, bottom))


def load_mask(file: Path, size: int, height: int | None = None) -> NDArray[np.uint8]:
    """The middle square of a mask, uint8 (size, size), nearest neighbour: values stay what they are. With a `height`
    the part of size : height.

    Palette pictures give their indices, one-bit pictures 0 and 1, more than 8 bits are cut off at 255.
    PictureError as for `load_picture`.
    """
    return cut_mask(read_mask(file), size, height or size)


def cut_mask(mask: Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    """The middle of a mask, uint8 (height, width)."""
    return np.array(_middle(mask, width, height, Image.Resampling.NEAREST), np.uint8)


def read_mask(file: Path) -> Image.Image:
    """A mask as it is, its values as `load_mask` gives them."""
    image = read_picture(file)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    elif image.mode == "1":
        image = Image.fromarray(np.asarray(image).astype(np.uint8))
    elif image.mode not in ("L", "P"):
        image = image.convert("L")
    return image
