"""One picture file to one array, whatever the file holds, and safe against files that mean harm."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import InvalidInput

MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_WHITE = (255, 255, 255, 255)
Reason = Literal["missing", "broken", "truncated", "too large"]


class PictureError(InvalidInput):
    """A file that cannot be used as a picture, and the `reason`."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.args = (message, reason)
        self.reason = reason


def read_picture(file: Path, at_least: int | None = None) -> Image.Image:
    """Decode a file whole, EXIF turned, in the mode it has; PictureError where that cannot be done.

    With `at_least`, a JPEG may be decoded at a fraction of its size, no side below that many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise _too_large(file)
                if at_least is not None:
                    image.draft(None, (at_least, at_least))
                image.load()
                return ImageOps.exif_transpose(image)
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(file) from None
    except FileNotFoundError:
        raise PictureError(f"picture '{file}' is not there", "missing") from None
    # Decoders meet hostile bytes with errors of many kinds; none of them may end a long run.
    except Exception as error:  # noqa: BLE001
        words = str(error).lower()
        if "truncated" in words or "unexpected end" in words or isinstance(error, EOFError):
            raise PictureError(f"picture '{file}' is truncated; copy it again", "truncated") from None
        raise PictureError(f"picture '{file}' cannot be decoded; replace or remove it", "broken") from None


def _too_large(file: Path) -> PictureError:
    return PictureError(
        f"picture '{file}' has more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller",
        "too large",
    )


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit RGB: transparency over white, 16 bit and floating point scaled down."""
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bit(image).convert("RGB")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), above).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255):
        values = values / 257
    elif image.mode == "F" and values.max(initial=0) <= 1:
        values = values * 255
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


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
