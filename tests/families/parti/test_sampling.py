"""Choosing tokens: what top-k and temperature allow, and in which shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from limner.families.parti.sampling import drawn, guided, uniform

_SCORES = arrays(np.float32, (3, 9), elements=st.floats(-20, 20, width=32))
_NUMBERS = arrays(np.float64, (3,), elements=st.floats(1e-9, 1 - 1e-9))


@settings(deadline=None)
@given(_SCORES, _NUMBERS, st.floats(0.01, 10), st.integers(1, 12))
def test_only_the_best_tokens_are_drawn(
    scores: np.ndarray, numbers: np.ndarray, temperature: float, top_k: int
) -> None:
    found = drawn(scores, temperature, top_k, numbers)
    assert found.dtype == np.int64
    for row, token in zip(scores, found, strict=True):
        assert (row > row[token]).sum() < top_k


@settings(deadline=None)
@given(_SCORES, _NUMBERS, st.floats(0.01, 10), st.integers(1, 12))
def test_a_row_does_not_depend_on_the_others(
    scores: np.ndarray, numbers: np.ndarray, temperature: float, top_k: int
) -> None:
    together = drawn(scores, temperature, top_k, numbers)
    alone = [int(drawn(scores[k : k + 1], temperature, top_k, numbers[k : k + 1])[0]) for k in range(3)]
    assert together.tolist() == alone


@settings(deadline=None)
@given(_SCORES, _NUMBERS)
def test_one_of_one_and_cold_are_the_best(scores: np.ndarray, numbers: np.ndarray) -> None:
    best = scores.argmax(1).tolist()
    assert drawn(scores, 1.0, 1, numbers).tolist() == best
    cold = drawn(scores, 1e-4, 9, numbers)
    assert all(row[token] > row.max() - 0.01 for row, token in zip(scores, cold, strict=True))


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 6), (0.5, 6), (2.0, 3)])
def test_shares_are_those_of_the_softmax(temperature: float, top_k: int) -> None:
    scores = np.array([[0.3, 2.0, -1.0, 1.2, 0.0, 0.7]], np.float32)
    count = 20_000
    numbers = (np.arange(count) + 0.5) / count
    found = drawn(np.repeat(scores, count, 0), temperature, top_k, numbers)
    shares = np.bincount(found, minlength=6) / count
    expected = np.exp(scores[0].astype(np.float64) / temperature)
    expected[scores[0] < np.sort(scores[0])[-top_k]] = 0
    assert np.allclose(shares, expected / expected.sum(), atol=1e-4)


def test_guidance_goes_from_the_free_scores_past_the_bound_ones() -> None:
    free, bound = np.zeros((1, 2), np.float32), np.array([[1.0, -2.0]], np.float32)
    assert np.array_equal(guided(free, bound, 1.0), bound)
    assert guided(free, bound, 1.5).tolist() == [[1.5, -3.0]]


def test_normal_numbers_become_even_ones() -> None:
    rng = np.random.default_rng(0)
    even = np.sort(uniform(rng.standard_normal(20_000).astype(np.float32)))
    assert np.abs(even - (np.arange(20_000) + 0.5) / 20_000).max() < 0.01
    low, high = uniform(np.array([-9, 9], np.float32)).tolist()
    assert 0 < low < high < 1
