"""The picture store: PNG files by the SHA-256 of their bytes, in whatever keeps blobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ..errors import Damaged, NotFound, Unavailable
from .storage import Blobs, FolderBlobs, Kept, StorageOptions, is_id, open_blobs
from .storage.sealing import is_sealed

# Pictures that were uploaded and that no job has taken up.
UPLOADED_BYTES = 512 * 2**20


class ImageStore:
    """Pictures in `blobs`, or in the folder of that path. Every method raises StorageDown where the store is away.

    With `most` bytes, those that came first go when there are more.
    """

    def __init__(self, blobs: Blobs | Path, most: int | None = None) -> None:
        self._blobs: Blobs = FolderBlobs(blobs) if isinstance(blobs, Path) else blobs
        self._most = most

    def put(self, png: bytes) -> str:
        """Keep `png` and return its id; when this returns, it is whole and on the disk."""
        image = hashlib.sha256(png).hexdigest()
        self._blobs.put(image, png)
        if self._most is not None:
            self._forget(self._most, image)
        return image

    def has(self, image: str) -> bool:
        """Whether it is there."""
        return is_id(image) and self._blobs.has(image)

    def get(self, image: str) -> bytes:
        """The bytes of a picture; NotFound where there is none, Damaged where they are not what was put."""
        png = b"".join(self.pieces(image)[1])
        if hashlib.sha256(png).hexdigest() != image:
            raise Damaged(f"picture {image} is damaged where it is kept: restore it from a backup")
        return png

    def pieces(self, image: str) -> tuple[int, Iterator[bytes]]:
        """Length and bytes of a picture, in pieces; NotFound where there is none, Unavailable where it is sealed."""
        if not is_id(image):
            raise NotFound(f"no picture {image[:80]!r}")
        size, pieces = self._blobs.pieces(image)
        first = next(pieces, b"")
        if is_sealed(first):
            raise Unavailable(f"picture {image} is sealed: start the service with --encryption-key-file")
        return size, chain([first], pieces)

    def delete(self, image: str, before: float | None = None) -> bool:
        """Remove a picture, with `before` only one that was put last before that time; whether one was removed."""
        return is_id(image) and self._blobs.delete(image, before)

    def list(self) -> Iterator[Kept]:
        """All pictures, in no order."""
        return self._blobs.list()

    def owners(self, claim: str | None = None) -> set[str]:
        """Whose the pictures are by the marks of the store; with `claim` that is marked first."""
        return self._blobs.owners(claim)

    def check(self) -> None:
        """Raise StorageDown where no picture could be put now."""
        self._blobs.check()

    def _forget(self, most: int, but: str) -> None:
        found = sorted(self._blobs.list(), key=lambda each: each.since)
        total = sum(each.size for each in found)
        for each in found:
            if total <= most:
                return
            if each.name != but and self._blobs.delete(each.name):
                total -= each.size


def open_stores(storage: StorageOptions, data_dir: Path) -> dict[str, ImageStore]:
    """The stores of pictures by name: `images`, of jobs, and `uploads`, that no job has taken up.

    InvalidInput names a wrong option, Unavailable a missing extra; OSError where a folder cannot be used.
    """
    return {
        "images": ImageStore(open_blobs(storage, "images", data_dir)),
        "uploads": ImageStore(open_blobs(storage, "uploads", data_dir), UPLOADED_BYTES),
    }
