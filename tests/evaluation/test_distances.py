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


def apart(first: int, second: int) -> tuple[range, range]:
    """Two sets of so many pictures, each of a prompt of its own."""
    return range(first), range(first, first + second)


def alike(prompts: int, seeds: int, width: int, seed: int) -> NDArray[np.float64]:
    """Two sets of one source (2, prompts * seeds, width), whose pictures of one prompt differ little."""
    rng = np.random.default_rng(seed)
    meant, noise = rng.normal(size=(prompts, width)), rng.normal(0, 0.3, (2, prompts * seeds, width))
    found: NDArray[np.float64] = np.repeat(meant, seeds, 0) + noise
    return found


def test_kid_is_the_sum_over_pairs() -> None:
    first, second = some(5, 3, 0), some(4, 3, 1, 0.5)

    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        return float((x @ y / 3 + 1) ** 3)

    own = np.mean([kernel(x, y) for x, y in itertools.permutations(first, 2)])
    other = np.mean([kernel(x, y) for x, y in itertools.permutations(second, 2)])
    across = np.mean([kernel(x, y) for x in first for y in second])
    assert kid(first, second, apart(5, 4)) == pytest.approx(own + other - 2 * across)


def test_kid_is_the_sum_over_pairs_of_two_prompts() -> None:
    first, second = some(6, 3, 0), some(5, 3, 1, 0.5)
    of_first, of_second = ["a", "a", "b", "b", "c", "d"], ["b", "a", "a", "e", "d"]

    def mean(x: NDArray[np.float64], y: NDArray[np.float64], of_x: list[str], of_y: list[str]) -> float:
        pairs = itertools.product(zip(x, of_x, strict=True), zip(y, of_y, strict=True))
        return float(np.mean([(a @ b / 3 + 1) ** 3 for (a, of_a), (b, of_b) in pairs if of_a != of_b]))

    expected = mean(first, first, of_first, of_first) + mean(second, second, of_second, of_second)
    expected -= 2 * mean(first, second, of_first, of_second)
    assert kid(first, second, (of_first, of_second)) == pytest.approx(expected)


def test_kid_of_one_source_is_about_nothing_where_both_sets_are_of_the_same_prompts() -> None:
    of = np.repeat(np.arange(20), 3).tolist()
    sets = [alike(20, 3, 8, seed) for seed in range(200)]
    values = [kid(first, second, (of, of)) for first, second in sets]
    every = [kid(first, second, apart(60, 60)) for first, second in sets]
    error = np.std(values) / np.sqrt(200)
    assert abs(np.mean(values)) < 3 * error
    assert np.mean(every) < -20 * error, "with pairs of one prompt it is biased"


def test_the_interval_of_kid_is_as_wide_as_values_differ_where_pictures_of_a_prompt_are_alike() -> None:
    of = np.repeat(np.arange(20), 3).tolist()
    sets = [(first, second + 0.4) for first, second in (alike(20, 3, 8, seed) for seed in range(40))]
    found = [kid_interval(first, second, (of, of), seed=k) for k, (first, second) in enumerate(sets)]
    values = [kid(first, second, (of, of)) for first, second in sets]
    assert [one.value for one in found] == pytest.approx(values)
    widths = [(one.high - one.low) / 2 for one in found]
    assert 0.6 < np.mean(widths) / (1.96 * np.std(values)) < 1.7


def test_kid_of_two_points() -> None:
    """All of one set at one corner, all of the other at another: 8 within each, 1 across."""
    corners = features(np.eye(4))
    assert kid(corners[[0, 0, 0]], corners[[1, 1]], apart(3, 2)) == pytest.approx(8 + 8 - 2)


def test_kid_of_one_source_is_about_nothing_and_its_interval_holds_it() -> None:
    values = [kid(some(60, 8, 2 * k), some(60, 8, 2 * k + 1), apart(60, 60)) for k in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)
    covered, halves = 0, []
    for k in range(60):
        found = kid_interval(some(60, 8, 2 * k), some(60, 8, 2 * k + 1), apart(60, 60), seed=k)
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
    assert kid(first.numpy(), second.numpy(), apart(30, 30)) == pytest.approx(float(poly_mmd(first, second)))
    theirs = _compute_fid(first.mean(0), first.T.cov(), second.mean(0), second.T.cov())
    assert frechet(first.numpy(), second.numpy()) == pytest.approx(float(theirs))
