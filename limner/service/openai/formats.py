"""Pictures as a client wants them: size and file format, with what the original says of how it was made."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...provenance import Signer
from ...registry.manifest import Size
from .sizes import fitted

FileFormat = Literal["png", "jpeg", "webp"]
FULL = 100

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_TEXTS = ("parameters", "limner")


@dataclass(frozen=True)
class Look:
    """How a picture is handed out: `size` None is its own; `compression` 0 to 100 of a JPEG or WebP is its quality."""

    size: Size | None = None
    format: FileFormat = "png"
    compression: int = FULL


def shaped(png: bytes, look: Look, signer: Signer | None = None) -> bytes:
    """A stored PNG as a file of that look; the very same bytes where nothing is to be changed.

    What the PNG's text says of how it was made stays: as text of a PNG, as EXIF's user comment elsewhere, where the
    Stable Diffusion web UI puts it, too. With a `signer` the copy is signed as one of the PNG.
    """
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        own = Size(width=opened.width, height=opened.height)
        if look.format == "png" and look.size in (None, own):
            return png
        opened.load()
        texts = {name: str(opened.info[name]) for name in _TEXTS if name in opened.info}
        picture = opened.convert("RGB")
    file = file_of(fitted(picture, look.size or own), look, texts)
    return file if signer is None else signer.sign_copy(file, look.format, png)


def file_of(picture: Image.Image, look: Look, texts: dict[str, str] | None = None) -> bytes:
    """An RGB picture, of whatever size, as a file of the format of a look."""
    texts = texts or {}
    file = io.BytesIO()
    if look.format == "png":
        info = PngInfo()
        for name, text in texts.items():
            info.add_text(name, text)
        picture.save(file, "PNG", pnginfo=info)
        return file.getvalue()
    exif = Image.Exif()
    if "parameters" in texts:
        comment = b"UNICODE\0" + texts["parameters"].encode("utf-16-be", "replace")
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = comment
    picture.save(file, look.format.upper(), quality=look.compression, exif=exif)
    return file.getvalue()
