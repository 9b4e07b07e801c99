"""Pictures and what they show, as two arrays on disk: read and resized once, then only looked up."""

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

_UNNAMED = ("subject",)


@dataclass(frozen=True)
class PictureArrays:
    """Pictures, and where which kind of subject is; both memory-mapped.

    `pictures` (N, S, S, 3) uint8; `subjects` (N, S, S) uint8: 0 is background, k shows the kind `names[k - 1]`.
    """

    pictures: NDArray[np.uint8]
    subjects: NDArray[np.uint8]
    names: tuple[str, ...]


def subject_names(items: Sequence[Item]) -> tuple[str, ...]:
    """The kinds of subject that a set names: `subject` in the entries of its attribute "subjects".

    Without names, or with more than 255, all subjects are of one kind.
    """
    found = sorted({name for item in items for name in drawn_subjects(item) if name})
    return tuple(found) if 0 < len(found) < 256 else _UNNAMED


def drawn_subjects(item: Item) -> list[str]:
    """The names of the subjects of a picture, in the order of its mask's values; "" where one has no name."""
    told = item.attributes.get("subjects")
    if not isinstance(told, list):
        return []
    return [str(each.get("subject", "")) if isinstance(each, dict) else "" for each in told]


def _read(item: Item, size: int, names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    picture = load_picture(item.file, size)
    if item.mask is None:
        return picture, np.zeros((size, size), np.uint8)
    kinds = np.ones(256, np.uint8)
    kinds[0] = 0
    if names != _UNNAMED:
        for k, name in enumerate(drawn_subjects(item)[:255], 1):
            kinds[k] = names.index(name) + 1 if name in names else 0
    return picture, kinds[load_mask(item.mask, size)]


def _identity(items: Sequence[Item], size: int, names: tuple[str, ...]) -> str:
    digest = hashlib.sha256(f"{size} {names}".encode())
    for item in items:
        digest.update(f"{item.file}:{item.file.stat().st_size}:{item.mask}\n".encode())
    return digest.hexdigest()[:16]


def picture_arrays(items: Sequence[Item], size: int, cache: Path, names: tuple[str, ...]) -> PictureArrays:
    """Read all pictures at `size` pixels, or find them in the cache folder from an earlier time."""
    cache.mkdir(parents=True, exist_ok=True)
    stem = cache / f"pictures-{_identity(items, size, names)}"
    files = stem.with_suffix(".rgb.npy"), stem.with_suffix(".subjects.npy")
    if not files[1].exists():
        partials = [f.with_suffix(".partial") for f in files]
        pictures = np.lib.format.open_memmap(partials[0], "w+", np.uint8, (len(items), size, size, 3))
        subjects = np.lib.format.open_memmap(partials[1], "w+", np.uint8, (len(items), size, size))
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(partial(_read, size=size, names=names), items, chunksize=64)
            for k, (picture, shown) in enumerate(track(found, "reading pictures", len(items))):
                pictures[k], subjects[k] = picture, shown
        pictures.flush()
        subjects.flush()
        for source, target in zip(partials, files, strict=True):
            source.rename(target)
    return PictureArrays(np.load(files[0], mmap_mode="r"), np.load(files[1], mmap_mode="r"), names)


def order(count: int, seed: int, first: int, size: int) -> NDArray[np.int64]:
    """Which examples positions `first` to `first + size` of an endless shuffled run are: each epoch its own order."""
    places = np.arange(first, first + size)
    found = np.empty(size, np.int64)
    for epoch in np.unique(places // count):
        shuffled = np.random.Generator(np.random.SFC64([seed, int(epoch)])).permutation(count)
        chosen = places // count == epoch
        found[chosen] = shuffled[places[chosen] % count]
    return found
