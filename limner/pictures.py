"""A picture file or its bytes to one picture in memory, whatever they hold, and safe against those that mean harm."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .errors import InvalidInput

MAX_PIXELS = 100_000_000
"""Pictures of more are refused before they are decoded."""

_PROFILED = ("RGB", "CMYK")  # modes whose values a profile is of
_MOST_PROFILE = 4_000_000  # bytes; of a printer it may have a million
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_WHITE = (255, 255, 255, 255)
Reason = Literal["missing", "unreadable", "broken", "truncated", "too large"]


class PictureError(InvalidInput):
    """A file that cannot be used as a picture, and the `reason`."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.args = (message, reason)
        self.reason = reason


def read_picture(file: Path | bytes, at_least: int | None = None, most: int = MAX_PIXELS) -> Image.Image:
    """Decode a file, or what is in one, whole, EXIF turned, in the mode it has; PictureError where that fails.

    With `at_least`, a JPEG may be decoded at a fraction of its size, no side below that many pixels; one of more than
    `most` pixels is refused before it is decoded.
    """
    name = f"picture '{file}'" if isinstance(file, Path) else "the picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file if isinstance(file, Path) else io.BytesIO(file), formats=_FORMATS) as image:
                check_size(image, most, name)
                if at_least is not None:
                    image.draft(None, (at_least, at_least))
                image.load()
                return ImageOps.exif_transpose(image)
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(name, most) from None
    except FileNotFoundError:
        raise PictureError(f"{name} is not there", "missing") from None
    except OSError as error:
        if error.errno is None:  # a decoder's own
            raise _broken(name, error) from None
        raise PictureError(f"{name} cannot be read: {error.strerror}", "unreadable") from None
    # Decoders meet hostile bytes with errors of many kinds; none of them may end a long run.
    except Exception as error:  # noqa: BLE001
        raise _broken(name, error) from None


def _broken(name: str, error: Exception) -> PictureError:
    if isinstance(error, UnidentifiedImageError):  # HEIC and AVIF, too
        *most, last = _FORMATS
        return PictureError(
            f"{name} cannot be decoded as {', '.join(most)} or {last}; save it again as one of them", "broken"
        )
    words = str(error).lower()
    if "truncated" in words or "unexpected end" in words or isinstance(error, EOFError):
        return PictureError(f"{name} is truncated; copy it again", "truncated")
    return PictureError(f"{name} cannot be decoded; replace or remove it", "broken")


def check_size(image: Image.Image, most: int, name: str = "the picture") -> None:
    """PictureError where a picture has more than `most` pixels."""
    if image.width * image.height > most:
        raise _too_large(name, most)


def _too_large(name: str, most: int) -> PictureError:
    return PictureError(
        f"{name} has more than {most // 1_000_000} million pixels; make it smaller",
        "too large",
    )


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit sRGB: by its colour profile, where it has one; transparency over white, 16 bit and floating
    point scaled down."""
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bit(image).convert("RGB")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return _in_srgb(
            Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), above).convert("RGB"), image
        )
    return _in_srgb(image if image.mode in _PROFILED else image.convert("RGB"), image)


def _in_srgb(made: Image.Image, given: Image.Image) -> Image.Image:
    """A picture in the colours of the profile of `given`, in sRGB; one that cannot be used is passed over."""
    profile = given.info.get("icc_profile")
    if isinstance(profile, bytes) and len(profile) <= _MOST_PROFILE:
        try:
            found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(found):
                converted = ImageCms.profileToProfile(
                    made, found, ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
                assert converted is not None
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return made.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    values: NDArray[np.float32] = np.nan_to_num(
        np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0
    )
    if image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255):
        values /= np.float32(257)
    elif image.mode == "F" and values.max(initial=0) <= 1:
        values *= np.float32(255)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
