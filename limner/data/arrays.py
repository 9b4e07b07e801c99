"""Pictures and what they show, as arrays on disk: read and resized once, then only looked up."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from rich.progress import track

from ..registry.placing import PLACING
from ..workers import workers
from .captioned import Item
from .pictures import load_picture
from .subjects import MOST, shown_subjects, told_of


@dataclass(frozen=True)
class PictureArrays:
    """Pictures, and where which kind of subject is; all memory-mapped.

    `pictures` (N, S, S, 3) uint8; `subjects` (N, S, S) uint8: 0 is background, k shows the kind `names[k - 1]`, the
    first of which is "subject" for all that have no name; `placings` (N, 8, 12) float32 say of eight subjects, or of
    parts after the last subject, how each stands, by the names in `PLACING`; NaN where there are fewer; `identity`
    tells these pictures from all others.
    """

    pictures: NDArray[np.uint8]
    subjects: NDArray[np.uint8]
    placings: NDArray[np.float32]
    names: tuple[str, ...]
    identity: str


def _read(
    item: Item, size: int, names: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    picture = load_picture(item.file, size, box=item.box)
    return picture, *shown_subjects(item, names, picture)


def _identity(items: Sequence[Item], size: int, names: tuple[str, ...]) -> str:
    digest = hashlib.sha256(f"{size} {names} {PLACING}".encode())
    for item in items:
        files = [item.file, *([item.mask] if item.mask else [])]
        stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        boxed = f" {item.box}" if item.box else ""
        digest.update(f"{stamps} {told_of(item.attributes)}{boxed}\n".encode())
    return digest.hexdigest()[:16]


def _made(file: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new array in a file, of zeros; OSError where the disk has no room for it."""
    made = np.lib.format.open_memmap(file, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # else a write to a page that finds no room ends the process
        with file.open("r+b") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # not of this file system
                    raise OSError(error.errno, error.strerror, str(file)) from None
    return made


def picture_arrays(items: Sequence[Item], size: int, cache: Path, names: tuple[str, ...]) -> PictureArrays:
    """Read all pictures at `size` pixels, or find them in the cache folder from an earlier time."""
    cache.mkdir(parents=True, exist_ok=True)
    identity = _identity(items, size, names)
    stem = cache / f"pictures-{identity}"
    count, parts = len(items), {
        "rgb": (np.uint8, (size, size, 3)), "subjects": (np.uint8, (size, size)),
        "placings": (np.float32, (MOST, len(PLACING))),
    }  # fmt: skip
    files = [stem.with_suffix(f".{part}.npy") for part in parts]
    if not files[-1].exists():
        partials = [f.with_suffix(f".{os.getpid()}.partial") for f in files]
        try:
            arrays = [
                _made(file, dtype, (count, *shape))
                for file, (dtype, shape) in zip(partials, parts.values(), strict=True)
            ]
            with workers() as pool:
                found = pool.map(partial(_read, size=size, names=names), items, chunksize=64)
                for k, read in enumerate(track(found, "reading pictures", count)):
                    for array, value in zip(arrays, read, strict=True):
                        array[k] = value
            for array, source, target in zip(arrays, partials, files, strict=True):
                array.flush()
                source.replace(target)
        finally:
            for source in partials:
                source.unlink(missing_ok=True)
    pictures, subjects, placings = (np.load(file, mmap_mode="r") for file in files)
    return PictureArrays(pictures, subjects, placings, names, identity)
