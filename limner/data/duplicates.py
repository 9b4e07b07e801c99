"""Pictures that are the same to the eye, found by a perceptual hash and confirmed on a thumbnail.

The hash is the sign of the 64 lowest frequencies of a DCT of the 32x32 grey picture against their median
(Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). Flat drawings of the
same place share most of those signs, so pairs that are close by hash count as duplicates only where their
16x16 colour thumbnails agree as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..pictures import to_rgb
from .metadata import Box
from .pictures import read_boxed

MAX_BITS = 16
MAX_DIFFERENCE = 40
_BLOCK = 128


def _cosines() -> NDArray[np.float64]:
    place, frequency = np.arange(32), np.arange(8)[:, None]
    basis: NDArray[np.float64] = np.cos(np.pi / 32 * (place + 0.5) * frequency)  # (8, 32)
    return basis


_COSINES = _cosines()


@dataclass(frozen=True)
class Signature:
    """What is compared: a 64-bit hash, and a thumbnail uint8 (16, 16, 3)."""

    bits: int
    thumbnail: NDArray[np.uint8]


def signature_of(image: Image.Image) -> Signature:
    """The signature of a whole picture, stretched to a square."""
    small = to_rgb(image).resize((32, 32), Image.Resampling.BOX)
    grey = np.asarray(small.convert("L"), np.float64)
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    signs = low > np.median(low[1:])
    bits = int(np.packbits(signs).view(">u8")[0])
    return Signature(bits, np.asarray(small.resize((16, 16), Image.Resampling.BOX), np.uint8))


def read_signatures(pictures: Sequence[tuple[Path, Box | None]]) -> list[Signature]:
    """The signatures of picture files, or of what lies in their boxes, decoded on all cores.

    PictureError names the first that is broken.
    """

    def one(picture: tuple[Path, Box | None]) -> Signature:
        return signature_of(read_boxed(picture[0], 128, picture[1]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, pictures))


def groups_of(signatures: Sequence[Signature]) -> list[list[int]]:
    """Every signature's index in exactly one group; a group is what near-duplicates link, however far.

    Compares all pairs of hashes: 60,000 pictures take seconds, a million would take half an hour.
    """
    parents = list(range(len(signatures)))

    def root(k: int) -> int:
        while parents[k] != k:
            parents[k] = parents[parents[k]]
            k = parents[k]
        return k

    for first, second in _near(signatures):
        a, b = root(first), root(second)
        parents[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for k in range(len(signatures)):
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _near(signatures: Sequence[Signature]) -> Iterator[tuple[int, int]]:
    if not signatures:
        return
    bits = np.array([one.bits for one in signatures], np.uint64)
    thumbnails = np.stack([one.thumbnail for one in signatures]).reshape(len(bits), -1).astype(np.int16)
    for start in range(0, len(bits), _BLOCK):
        distance = np.bitwise_count(bits[start : start + _BLOCK, None] ^ bits[start:])
        first, second = np.nonzero(np.triu(distance <= MAX_BITS, 1))
        for part in range(0, len(first), 4096):
            a, b = first[part : part + 4096] + start, second[part : part + 4096] + start
            alike = np.abs(thumbnails[a] - thumbnails[b]).max(1) <= MAX_DIFFERENCE
            yield from zip(a[alike].tolist(), b[alike].tolist(), strict=True)
