"""Pictures and masks of a captioned set as two arrays on disk: read and resized once, then only looked up."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from ..data.captioned import Item
from ..data.pictures import load_mask, load_picture


@dataclass(frozen=True)
class PictureArrays:
    """`pictures` (N, S, S, 3) uint8 and `masks` (N, S, S) bool, true where a subject is; both memory-mapped."""

    pictures: NDArray[np.uint8]
    masks: NDArray[np.bool_]


def _read(item: Item, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    mask = load_mask(item.mask, size) > 0 if item.mask else np.zeros((size, size), bool)
    return load_picture(item.file, size), mask


def _identity(items: Sequence[Item], size: int) -> str:
    digest = hashlib.sha256(str(size).encode())
    for item in items:
        digest.update(f"{item.file}:{item.file.stat().st_size}:{item.mask}\n".encode())
    return digest.hexdigest()[:16]


def picture_arrays(items: Sequence[Item], size: int, cache: Path) -> PictureArrays:
    """Read all pictures at `size` pixels, or find them in the cache folder from an earlier time."""
    cache.mkdir(parents=True, exist_ok=True)
    stem = cache / f"pictures-{_identity(items, size)}"
    files = stem.with_suffix(".rgb.npy"), stem.with_suffix(".mask.npy")
    if not files[1].exists():
        partials = [f.with_suffix(".partial") for f in files]
        pictures = np.lib.format.open_memmap(partials[0], "w+", np.uint8, (len(items), size, size, 3))
        masks = np.lib.format.open_memmap(partials[1], "w+", np.bool_, (len(items), size, size))
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(partial(_read, size=size), items, chunksize=64)
            for k, (picture, mask) in enumerate(track(found, "reading pictures", len(items))):
                pictures[k], masks[k] = picture, mask
        pictures.flush()
        masks.flush()
        for source, target in zip(partials, files, strict=True):
            source.rename(target)
    return PictureArrays(np.load(files[0], mmap_mode="r"), np.load(files[1], mmap_mode="r"))


def order(count: int, seed: int, first: int, size: int) -> NDArray[np.int64]:
    """Which examples positions `first` to `first + size` of an endless shuffled run are: each epoch its own order."""
    places = np.arange(first, first + size)
    found = np.empty(size, np.int64)
    for epoch in np.unique(places // count):
        shuffled = np.random.Generator(np.random.SFC64([seed, int(epoch)])).permutation(count)
        chosen = places // count == epoch
        found[chosen] = shuffled[places[chosen] % count]
    return found
