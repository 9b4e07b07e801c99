"""Which pictures a step learns from, and pictures as tensors and back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def order(count: int, seed: int, first: int, size: int) -> NDArray[np.int64]:
    """Which examples positions `first` to `first + size` of an endless shuffled run are: each epoch its own order."""
    places = np.arange(first, first + size)
    found = np.empty(size, np.int64)
    for epoch in np.unique(places // count):
        shuffled = np.random.Generator(np.random.SFC64([seed, int(epoch)])).permutation(count)
        chosen = places // count == epoch
        found[chosen] = shuffled[places[chosen] % count]
    return found


def mingled(
    count: int, some: NDArray[np.int64], share: float, seed: int, first: int, size: int
) -> NDArray[np.int64]:
    """As `order`, but `share` of the places have an example of `some`, which are shuffled in a run of their own."""
    share = share if len(some) else 0.0
    # how many places before each, and before the end, are of that run: it goes on at its own pace
    before = np.floor(np.arange(first, first + size + 1) * share).astype(np.int64)
    of_some, many = np.diff(before) > 0, int(before[-1] - before[0])
    found = np.empty(size, np.int64)
    if many:
        found[of_some] = some[order(len(some), seed, int(before[0]), many)]
    found[~of_some] = order(count, seed, first - int(before[0]), size - many)
    return found


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in -1..1."""
    return torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1


def to_pixels(made: Tensor) -> NDArray[np.uint8]:
    """float (B, 3, H, W) in -1..1 to uint8 (B, H, W, 3)."""
    return ((made.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def coarsened(pictures: Tensor, which: NDArray[np.bool_]) -> Tensor:
    """Pictures (B, 3, H, W), sides even, of which those that `which` (B,) marks have half the detail."""
    chosen = torch.from_numpy(which)
    if chosen.any():
        small = functional.avg_pool2d(pictures[chosen], 2)
        pictures = pictures.clone()
        pictures[chosen] = functional.interpolate(small, scale_factor=2.0, mode="bilinear")
    return pictures
