"""Pictures, on the way in and on the way out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..answers import ImageLink, JobView
from ..errors import Cancelled, InvalidInput
from .errors import JobFailed

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class DrawnPicture:
    """A finished picture: `png` is the file as the service keeps it, settings in it; `link` is what the job says."""

    link: ImageLink
    png: bytes

    @property
    def id(self) -> str:
        """Its id at the service, which `image` and `mask` of later drawings take."""
        return self.link.id

    @property
    def seed(self) -> int:
        """Its own seed; of a variation, the variation's."""
        return self.link.seed

    @property
    def image(self) -> Image.Image:
        """The pixels, as a Pillow image."""
        from PIL import Image

        image = Image.open(io.BytesIO(self.png), formats=("PNG",))
        image.load()
        return image

    def save(self, path: str | Path) -> Path:
        """Write the PNG; gives the path."""
        path = Path(path)
        path.write_bytes(self.png)
        return path


def file_of(picture: Path | bytes | Image.Image) -> bytes:
    """What is sent of a picture; InvalidInput where there is nothing to send."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Path):
        try:
            return picture.read_bytes()
        except OSError as error:
            raise InvalidInput(
                f"picture '{picture}' cannot be read ({error.strerror})", field="image"
            ) from None
    from PIL import Image, ImageOps

    from ..pictures import to_rgb

    if not isinstance(picture, Image.Image):
        raise InvalidInput(
            f"a {type(picture).__name__} is no picture: give an id, a Path, bytes or a Pillow image",
            field="image",
        )
    file = io.BytesIO()
    to_rgb(ImageOps.exif_transpose(picture)).save(file, "PNG")
    return file.getvalue()


def succeeded(job: JobView) -> JobView:
    """The job, where it came to its pictures; else JobFailed or Cancelled."""
    if job.state == "cancelled":
        raise Cancelled(f"job {job.id} was cancelled")
    if job.state != "succeeded":
        raise JobFailed(job)
    return job
