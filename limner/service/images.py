"""The picture store: a folder of PNG files, each named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from ..errors import NotFound


class ImageStore:
    """Pictures under `root`, spread over 256 folders. One service at a time owns the folder.

    With `most` bytes, those that came first go when there are more.
    """

    def __init__(self, root: Path, most: int | None = None) -> None:
        self._root, self._most = root, most
        self._unfinished = root / "unfinished"
        self._unfinished.mkdir(parents=True, exist_ok=True)
        for left_over in self._unfinished.iterdir():
            left_over.unlink()

    def put(self, png: bytes) -> str:
        """Keep `png` and return its id; when this returns, the file is whole and on the disk."""
        image = hashlib.sha256(png).hexdigest()
        place = self._place(image)
        if place.exists():
            os.utime(place)
            return image
        made = not place.parent.exists()
        place.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._unfinished)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(png)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, place)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(place.parent)
        if made:
            _sync_folder(self._root)
        if self._most is not None:
            self._forget(self._most, place)
        return image

    def remove(self, image: str) -> None:
        """Remove a picture, where it is there."""
        if self.has(image):
            self._place(image).unlink(missing_ok=True)

    def has(self, image: str) -> bool:
        """Whether it is there."""
        return _is_id(image) and self._place(image).is_file()

    def _forget(self, most: int, but: Path) -> None:
        found = [(file.stat(), file) for file in self._root.glob("??/*.png")]
        total = sum(stat.st_size for stat, _ in found)
        for stat, file in sorted(found, key=lambda each: each[0].st_mtime):
            if total <= most:
                return
            if file != but:
                file.unlink(missing_ok=True)
                total -= stat.st_size

    def path(self, image: str) -> Path:
        """The file of a picture; NotFound where there is none."""
        if not self.has(image):
            raise NotFound(f"no picture {image[:80]!r}")
        return self._place(image)

    def _place(self, image: str) -> Path:
        return self._root / image[:2] / f"{image}.png"


def _is_id(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
