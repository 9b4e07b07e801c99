"""How different pictures are from each other, and how near they come to those that were learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .distances import Measured, Vectors
from .intervals import Z_95, mean_error


def mean_of(
    values: Sequence[float] | NDArray[np.floating], groups: Sequence[object] | None = None
) -> Measured:
    """The mean of values and its interval by the normal distribution; of one value, the value.

    `groups` says of each value which other ones it is like, such as the prompt of a picture (`mean_error`).
    """
    mean = float(np.mean(values))
    half = Z_95 * mean_error(values, range(len(values)) if groups is None else groups)
    return Measured(mean, mean - half, mean + half)


def diversity(vectors: Vectors, groups: Sequence[object]) -> Measured | None:
    """The mean distance (1 - cosine) between pictures of one group, such as a prompt, averaged over groups.

    `vectors` (N, D) have length 1. None where no group has two.
    """
    found = []
    for group in dict.fromkeys(groups):
        own = vectors[[k for k, name in enumerate(groups) if name == group]]
        if len(own) > 1:
            cosines = np.asarray(own, np.float64) @ np.asarray(own, np.float64).T
            found.append(1 - float((cosines.sum() - np.trace(cosines)) / (len(own) * (len(own) - 1))))
    return mean_of(found) if found else None


def nearest(vectors: Vectors, learned: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each row the nearest of `learned` and the distance (1 - cosine) to it; all have length 1."""
    cosines = np.asarray(vectors, np.float64) @ np.asarray(learned, np.float64).T
    places = cosines.argmax(1)
    return places, 1 - cosines[np.arange(len(cosines)), places]


def inception_score(shares: NDArray[np.floating]) -> float:
    """exp of the mean divergence of what a classifier says of a picture from what it says on average.

    `shares` (N, classes), each row sums to 1 (Salimans et al. 2016, section 4); from 1 to the number of classes.
    """
    each = np.asarray(shares, np.float64)
    average = each.mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(each > 0, each * (np.log(each) - np.log(average)), 0.0)
    return float(np.exp(terms.sum(1).mean()))


def inception_score_interval(
    shares: NDArray[np.floating], groups: Sequence[object], seed: int = 0, times: int = 200
) -> Measured:
    """The Inception score, and its interval by drawing groups, the pictures of a prompt, with replacement.

    Of one group its pictures are drawn.
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    places: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    each = list(places.values()) if len(places) > 1 else [[place] for place in range(len(groups))]
    again = [
        inception_score(shares[[place for k in rng.integers(len(each), size=len(each)) for place in each[k]]])
        for _ in range(times)
    ]
    value = inception_score(shares)
    half = Z_95 * float(np.std(again))
    return Measured(value, value - half, value + half)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shares (N, classes) of logits (N, classes)."""
    powers = np.exp(np.asarray(logits, np.float64) - logits.max(1, keepdims=True))
    found: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return found
