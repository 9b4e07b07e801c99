"""Diversity, nearest neighbours and the Inception score against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from limner.evaluation.spread import (
    diversity,
    inception_score,
    inception_score_interval,
    mean_of,
    nearest,
    softmax,
)


def test_the_inception_score_is_one_of_a_blind_classifier_and_the_number_of_classes_of_a_sure_one() -> None:
    assert inception_score(np.full((6, 4), 0.25)) == pytest.approx(1)
    assert inception_score(np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3]]) == pytest.approx(4)
    assert inception_score(np.eye(4)[[2, 2, 2]]) == pytest.approx(1)


def test_the_inception_score_is_the_exponent_of_the_mutual_information() -> None:
    shares = softmax(np.random.default_rng(0).normal(0, 2, (50, 5)))
    average = shares.mean(0)
    entropy = -(average * np.log(average)).sum()
    each = -(shares * np.log(shares)).sum(1).mean()
    assert inception_score(shares) == pytest.approx(np.exp(entropy - each))
    found = inception_score_interval(shares, range(50))
    assert found.low < found.value < found.high


def test_the_interval_of_the_inception_score_is_that_of_prompts() -> None:
    """Pictures that are there three times, as one prompt's, say no more than once."""
    shares = softmax(np.random.default_rng(0).normal(0, 2, (50, 5)))
    once = inception_score_interval(shares, range(50))
    thrice = inception_score_interval(np.repeat(shares, 3, 0), np.repeat(np.arange(50), 3).tolist())
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_of_one_prompt_the_interval_of_the_inception_score_is_that_of_its_pictures() -> None:
    shares = softmax(np.random.default_rng(0).normal(0, 2, (50, 5)))
    alone, one = (inception_score_interval(shares, groups) for groups in (range(50), [0] * 50))
    assert one == alone


def test_diversity_is_the_mean_over_pairs_of_a_prompt() -> None:
    """One prompt's pictures are the same, the other's stand at right angles; the third has one picture alone."""
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], float)
    found = diversity(vectors, ["a", "a", "b", "b", "c"])
    assert found is not None and found.value == pytest.approx(0.5)
    assert diversity(vectors[:1], ["a"]) is None


def test_the_nearest_picture_and_how_far_it_is() -> None:
    learned = np.array([[1, 0], [0, 1], [-1, 0]], float)
    places, distances = nearest(np.array([[0.6, 0.8], [-1, 0]]), learned)
    assert places.tolist() == [1, 2] and distances == pytest.approx([0.2, 0])


def test_the_interval_of_a_mean() -> None:
    found = mean_of([1.0, 3.0])
    assert (found.value, found.low) == pytest.approx((2, 2 - 1.959964 * np.sqrt(2) / np.sqrt(2)))
    assert mean_of([4.0]).low == mean_of([4.0]).high == 4
    twice = mean_of([1.0, 1.0, 3.0, 3.0], ["a", "a", "b", "b"])
    assert (twice.low, twice.high) == pytest.approx((found.low, found.high))
