"""How far two sets of pictures are from each other, by the vectors that an encoder gives them.

Vectors of length 1 are stretched to the root of their dimension, so that values are about 1, as the features are for
which these measures were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import Z_95

Vectors = NDArray[np.floating]
Prompts = tuple[Sequence[object], Sequence[object]]
"""Of two sets of pictures the prompt of each picture: what is of one prompt is not independent."""
LEAST, LEAST_PROMPTS = 16, 6
"""Of fewer pictures a side these measures say nothing, and KID nothing of fewer prompts a side."""
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


def kid(first: Vectors, second: Vectors, prompts: Prompts) -> float:
    """The kernel inception distance between two sets of features (N, D) and (M, D), each of two prompts at least.

    The estimate of the squared maximum mean discrepancy under the kernel (x.y / D + 1)^3 (Binkowski et al. 2018,
    section 3), of pairs alone that are of two prompts. Pictures of one prompt are alike, within a set and across the
    two: with them the estimate would be biased, and is not without. It may be a little below zero. Where no two
    pictures are of one prompt it is the usual one.
    """
    return _discrepancy(*_kernels(first, second, *_numbers(prompts)))


def kid_interval(first: Vectors, second: Vectors, prompts: Prompts, seed: int = 0) -> Measured:
    """KID with the interval that the spread of halves gives: the prompts halved at random, 200 times.

    Those that both sets have, and those of each alone, are halved apart; each set needs `LEAST_PROMPTS`. The variance
    of the estimate from a half of all, about that from all, is that of the estimate from all (the delete-half
    jackknife; Shao & Wu 1989, Annals of Statistics 17:1176).
    """
    one, two = _numbers(prompts)
    kernels = _kernels(first, second, one, two)
    value = _discrepancy(*kernels)
    rng = np.random.Generator(np.random.SFC64(seed))
    kinds = np.intersect1d(one, two), np.setdiff1d(one, two), np.setdiff1d(two, one)
    found = []
    for _ in range(_HALVES):
        half = np.concatenate([rng.permutation(kind)[: len(kind) // 2] for kind in kinds])
        rows, columns = (np.flatnonzero(np.isin(numbers, half)) for numbers in (one, two))
        places = np.ix_(rows, rows), np.ix_(columns, columns), np.ix_(rows, columns)
        found.append(_discrepancy(*(kernel[place] for kernel, place in zip(kernels, places, strict=True))))
    half_width = Z_95 * float(np.sqrt(np.mean((np.array(found) - value) ** 2)))
    return Measured(value, value - half_width, value + half_width)


def _numbers(prompts: Prompts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same prompts as numbers."""
    known: dict[object, int] = {}
    one, two = (np.array([known.setdefault(of, len(known)) for of in part]) for part in prompts)
    return one, two


def _kernels(
    first: Vectors, second: Vectors, one: NDArray[np.int64], two: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """The kernel of every pair within the first set, within the second and across, NaN where both are of one prompt."""
    sides = ((first, one), (first, one)), ((second, two), (second, two)), ((first, one), (second, two))
    found = []
    for (x, of_x), (y, of_y) in sides:
        inner = np.asarray(x, np.float64) @ np.asarray(y, np.float64).T
        found.append(np.where(of_x[:, None] == of_y, np.nan, (inner / first.shape[1] + 1) ** 3))
    return found


def _discrepancy(own: NDArray[np.float64], other: NDArray[np.float64], across: NDArray[np.float64]) -> float:
    return float(np.nanmean(own) + np.nanmean(other) - 2 * np.nanmean(across))


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
