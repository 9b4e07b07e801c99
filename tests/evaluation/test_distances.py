"""Distances between sets against slow obvious versions, closed forms and scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from limner.evaluation.distances import features, frechet, kid, kid_interval


def some(count: int, width: int, seed: int, shift: float = 0.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(shift, 1, (count, width))


def test_kid_is_the_sum_over_pairs() -> None:
    first, second = some(5, 3, 0), some(4, 3, 1, 0.5)

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        return float((x @ y / 3 + 1) ** 3)

    own = np.mean([kernel(x, y) for x, y in itertools.permutations(first, 2)])
    other = np.mean([kernel(x, y) for x, y in itertools.permutations(second, 2)])
    across = np.mean([kernel(x, y) for x in first for y in second])
    assert kid(first, second) == pytest.approx(own + other - 2 * across)


def test_kid_of_two_points() -> None:
    """All of one set at one corner, all of the other at another: 8 within each, 1 across."""
    corners = features(np.eye(4))
    assert kid(corners[[0, 0, 0]], corners[[1, 1]]) == pytest.approx(8 + 8 - 2)


def test_kid_of_one_source_is_about_nothing_and_its_interval_holds_it() -> None:
    values = [kid(some(60, 8, 2 * k), some(60, 8, 2 * k + 1)) for k in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)
    covered, halves = 0, []
    for k in range(60):
        found = kid_interval(some(60, 8, 2 * k), some(60, 8, 2 * k + 1), seed=k)
        assert found.value == pytest.approx(values[k])
        covered += found.low <= 0 <= found.high
        halves.append((found.high - found.low) / 2)
    assert covered >= 50
    assert 0.5 < np.mean(halves) / (1.96 * np.std(values)) < 2


def test_frechet_of_known_normal_distributions() -> None:
    """Points whose mean and covariance are exact: the distance is (0.5 - 0)^2 * 2 + sum (s1 - s2)^2."""
    cross = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], float)
    deviation = np.sqrt(2 / 3)
    found = frechet(cross, cross * [3, 1] + 0.5)
    assert found == pytest.approx(0.5 + (3 * deviation - deviation) ** 2)
    assert frechet(cross, cross[::-1]) == pytest.approx(0, abs=1e-12)


def test_frechet_is_scipys() -> None:
    first, second = some(40, 6, 3), some(50, 6, 4, 0.3) @ some(6, 6, 5)
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    apart = first.mean(0) - second.mean(0)
    expected = apart @ apart + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet(first, second) == pytest.approx(expected)


def test_frechet_of_fewer_pictures_than_features_is_a_number() -> None:
    assert np.isfinite(frechet(some(5, 20, 6), some(7, 20, 7)))


def test_torchmetrics_has_the_same_kid_and_frechet_distance() -> None:
    pytest.importorskip("torchmetrics")
    import torch
    from torchmetrics.image.fid import _compute_fid
    from torchmetrics.image.kid import poly_mmd

    first, second = torch.from_numpy(some(30, 5, 8)), torch.from_numpy(some(30, 5, 9, 0.4))
    assert kid(first.numpy(), second.numpy()) == pytest.approx(float(poly_mmd(first, second)))
    theirs = _compute_fid(first.mean(0), first.T.cov(), second.mean(0), second.T.cov())
    assert frechet(first.numpy(), second.numpy()) == pytest.approx(float(theirs))
