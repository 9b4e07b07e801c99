"""How far two sets of pictures are from each other, by the vectors that an encoder gives them.

Vectors of length 1 are stretched to the root of their dimension, so that values are about 1, as the features are for
which these measures were made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import Z_95

Vectors = NDArray[np.floating]
LEAST = 16
"""Of fewer pictures a side these measures say nothing."""
_HALVES = 200


@dataclass(frozen=True)
class Measured:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def features(vectors: Vectors) -> NDArray[np.float64]:
    """Vectors (N, D) of length 1, stretched."""
    found: NDArray[np.float64] = np.asarray(vectors, np.float64) * np.sqrt(vectors.shape[1])
    return found


def kid(first: Vectors, second: Vectors) -> float:
    """The kernel inception distance between two sets of features (N, D) and (M, D), N and M at least 2.

    The unbiased estimate of the squared maximum mean discrepancy under the kernel (x.y / D + 1)^3 (Binkowski et al.
    2018, section 3). It may be a little below zero.
    """
    return _discrepancy(_kernel(first, first), _kernel(second, second), _kernel(first, second))


def kid_interval(first: Vectors, second: Vectors, seed: int = 0) -> Measured:
    """KID with the interval that the spread of halves gives: both sets halved at random, 200 times.

    The variance of the estimate from a half of all, about that from all, is that of the estimate from all (the
    delete-half jackknife; Shao & Wu 1989, Annals of Statistics 17:1176).
    """
    own, other, across = _kernel(first, first), _kernel(second, second), _kernel(first, second)
    value = _discrepancy(own, other, across)
    rng = np.random.Generator(np.random.SFC64(seed))
    found = []
    for _ in range(_HALVES):
        rows = rng.permutation(len(first))[: len(first) // 2]
        columns = rng.permutation(len(second))[: len(second) // 2]
        parts = own[np.ix_(rows, rows)], other[np.ix_(columns, columns)], across[np.ix_(rows, columns)]
        found.append(_discrepancy(*parts))
    half = Z_95 * float(np.sqrt(np.mean((np.array(found) - value) ** 2)))
    return Measured(value, value - half, value + half)


def _kernel(first: Vectors, second: Vectors) -> NDArray[np.float64]:
    inner: NDArray[np.float64] = np.asarray(first, np.float64) @ np.asarray(second, np.float64).T
    found: NDArray[np.float64] = (inner / first.shape[1] + 1) ** 3
    return found


def _discrepancy(own: NDArray[np.float64], other: NDArray[np.float64], across: NDArray[np.float64]) -> float:
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (own, other)]
    return float(within[0] + within[1] - 2 * across.mean())


def frechet(first: Vectors, second: Vectors) -> float:
    """The Fréchet distance between the normal distributions that fit two sets of features (N, D) and (M, D).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson & Landau 1982). It falls with the number of pictures, also for
    one and the same source: compare it at one N, beside that between real pictures. Called FID only with Inception's
    features, which these are not.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    means = a.mean(0) - b.mean(0)
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = _root(np.atleast_2d(one))
    both = np.linalg.eigvalsh(root @ np.atleast_2d(two) @ root)
    distance = means @ means + np.trace(np.atleast_2d(one)) + np.trace(np.atleast_2d(two))
    return float(distance - 2 * np.sqrt(both.clip(0)).sum())


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    found: NDArray[np.float64] = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return found
