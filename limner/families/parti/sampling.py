"""Choosing a token by its scores: guidance, temperature, top-k, and one number of the seed for each token.

A token is drawn by inverting the distribution function of what is left, the likeliest token first. So the numbers of a
seed are all that is random, numbers that are near give pictures that are near, and no other picture has a part in it.
"""

from __future__ import annotations

from math import erf

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]


def guided(free: _Floats, bound: _Floats, scale: float) -> _Floats:
    """Scores without and with the text, (B, K) each, to one: free + scale * (bound - free) (Yu et al. 2022, 2.2)."""
    made: _Floats = free + np.float32(scale) * (bound - free)
    return made


def uniform(normal: _Floats) -> NDArray[np.float64]:
    """Unit normal numbers of any shape to even ones above 0 and below 1, by their distribution function."""
    values = np.array([0.5 * (1 + erf(value / 2**0.5)) for value in normal.astype(np.float64).flat])
    return values.reshape(normal.shape).clip(1e-12, 1 - 1e-12)


def drawn(scores: _Floats, temperature: float, top_k: int, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """One token (B,) for each row of scores (B, K), from its `top_k` best at a temperature, by numbers (B,) in 0..1.

    Of equal scores the first counts as better; a temperature near 0 or `top_k` 1 takes the best.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    best = np.take_along_axis(scores, order, 1).astype(np.float64)
    shares = np.exp((best - best[:, :1]) / temperature)
    sums = shares.cumsum(1)
    places = (sums <= (numbers * sums[:, -1])[:, None]).sum(1).clip(max=order.shape[1] - 1)
    found: NDArray[np.int64] = np.take_along_axis(order, places[:, None], 1)[:, 0]
    return found
