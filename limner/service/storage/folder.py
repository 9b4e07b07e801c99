"""Blobs as files in a folder, spread over 256 folders, each written aside and moved into its place."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import NotFound, StorageDown
from .blobs import OWNERS, PIECE, Kept, is_id

ROOM = 2**20  # bytes that must be free before work begins that needs some
_ABANDONED = 3600.0  # seconds after which an unfinished file is nobody's
_SUFFIX = ".png"


class FolderBlobs:
    """Blobs under `root`, made where it does not exist; OSError where it cannot be used.

    Several services may share the folder, where its disk can be shared.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unfinished = root / "unfinished"
        self._renewing = threading.Lock()
        self._unfinished.mkdir(parents=True, exist_ok=True)
        self._clean()

    def put(self, name: str, data: bytes) -> None:
        """As the seam says."""
        place = self._place(name)
        with _disk():
            if self._renew(place, data):
                return
            made = not place.parent.exists()
            place.parent.mkdir(parents=True, exist_ok=True)
            self._unfinished.mkdir(exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._unfinished)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                with self._renewing:
                    os.replace(temporary, place)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            sync_folder(place.parent)
            if made:
                sync_folder(self._root)

    def pieces(self, name: str) -> tuple[int, Iterator[bytes]]:
        """As the seam says."""
        with _disk():
            try:
                file = self._place(name).open("rb")
            except (FileNotFoundError, NotADirectoryError):
                raise NotFound(f"no picture {name[:80]!r}") from None

            def read() -> Iterator[bytes]:
                with file, _disk():
                    while piece := file.read(PIECE):
                        yield piece

            return os.fstat(file.fileno()).st_size, read()

    def has(self, name: str) -> bool:
        """As the seam says."""
        with _disk():
            return self._place(name).is_file()

    def delete(self, name: str, before: float | None = None) -> bool:
        """As the seam says."""
        place = self._place(name)
        with _disk(), self._renewing:
            try:
                if before is not None and place.stat().st_mtime >= before:
                    return False
                place.unlink()
            except FileNotFoundError:
                return False
            return True

    def list(self) -> Iterator[Kept]:
        """As the seam says."""
        with _disk():
            for file in self._root.glob(f"??/*{_SUFFIX}"):
                try:
                    stat = file.stat()
                except FileNotFoundError:
                    continue
                if is_id(file.stem):
                    yield Kept(file.stem, stat.st_size, stat.st_mtime)

    def owners(self, claim: str | None = None) -> set[str]:
        """As the seam says; a mark is an empty file."""
        marks = self._root / OWNERS
        with _disk():
            if claim is not None:
                marks.mkdir(exist_ok=True)
                (marks / claim).touch()
            return {mark.name for mark in marks.iterdir()} if marks.is_dir() else set()

    def check(self) -> None:
        """As the seam says: StorageDown where the folder is gone or less than ROOM bytes are free."""
        with _disk():
            free = shutil.disk_usage(self._root).free
        if free < ROOM:
            raise StorageDown("the disk for pictures is full; what was accepted is kept: try again soon")

    def _renew(self, place: Path, data: bytes) -> bool:
        """Whether `data` is there and counts as put now; a file that is damaged, or cannot be read, is not it."""
        with self._renewing:
            try:
                if place.stat().st_size != len(data) or place.read_bytes() != data:
                    return False
                os.utime(place)
            except OSError:
                return False
            return True

    def _clean(self) -> None:
        for left_over in self._unfinished.iterdir():
            if time.time() - left_over.stat().st_mtime > _ABANDONED:
                left_over.unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self._root / name[:2] / f"{name}{_SUFFIX}"


def sync_folder(folder: Path) -> None:
    """Have what was made or renamed in a folder on the disk."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        what = "is full" if full else f"cannot be used ({error.strerror or error})"
        raise StorageDown(
            f"the disk for pictures {what}; what was accepted is kept: try again soon"
        ) from error
