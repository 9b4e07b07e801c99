from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest, sem

from limner.evaluation.intervals import Z_95, mean_error, wilson, wilson_of_groups


@pytest.mark.parametrize(("accepted", "total"), [(0, 10), (3, 10), (10, 10), (487, 500), (1, 1)])
def test_wilson_is_scipys(accepted: int, total: int) -> None:
    interval = binomtest(accepted, total).proportion_ci(0.95, method="wilson")
    assert wilson(accepted, total) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_the_ends_lie_where_the_score_test_turns() -> None:
    accepted, total = 37, 120

    def score(p: float) -> float:
        return (accepted / total - p) ** 2 - Z_95**2 * p * (1 - p) / total

    share = accepted / total
    assert wilson(accepted, total) == pytest.approx(
        (brentq(score, 1e-9, share), brentq(score, share, 1 - 1e-9))
    )


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_in_bounds(counts: tuple[int, int]) -> None:
    accepted, total = counts
    low, high = wilson(accepted, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low - 1e-12 <= accepted / total <= high + 1e-12


def test_wilson_refuses_what_is_not_a_share() -> None:
    with pytest.raises(ValueError, match="5 of 4"):
        wilson(5, 4)


def test_of_groups_of_one_it_is_wilson_and_of_one_group_too() -> None:
    held = [k % 5 != 0 for k in range(40)]
    expected = pytest.approx(wilson(32, 40))
    assert wilson_of_groups(held, range(40)) == expected == wilson_of_groups(held, ["a"] * 40)
    assert wilson_of_groups([], []) == (0, 1) and wilson_of_groups([True], "a") == wilson(1, 1)


def test_what_groups_say_with_one_voice_counts_once() -> None:
    """rho is 1: Kish's effect is the size of a group, but for what is lost by estimating it, (n - 1) / (G - 1)."""
    held = [k % 4 != 0 for k in range(80) for _ in range(3)]
    found = wilson_of_groups(held, [k for k in range(80) for _ in range(3)])
    assert found == pytest.approx(wilson(0.75 * 240 * 79 / 239, 240 * 79 / 239))
    assert found == pytest.approx(wilson(60, 80), abs=2e-3)
    assert wilson_of_groups([True] * 240, [k // 3 for k in range(240)]) == wilson(80, 80)


def test_the_effect_is_one_and_the_rest_of_a_group_times_rho() -> None:
    """Against the intraclass correlation by the analysis of variance (Donner & Klar 2000, section 1.3)."""
    rng = np.random.default_rng(2)
    shares, size = rng.beta(2, 1, 400), 4
    held = rng.random((400, size)) < shares[:, None]
    within = held.var(1, ddof=1).mean()
    rho = (size * held.mean(1).var(ddof=1) - within) / (size * held.mean(1).var(ddof=1) + (size - 1) * within)
    effective = held.size / (1 + (size - 1) * rho)
    found = wilson_of_groups(held.ravel().tolist(), [k // size for k in range(held.size)])
    assert found == pytest.approx(wilson(held.mean() * effective, effective), abs=2e-4)


def test_it_holds_the_share_as_often_as_it_says_where_pictures_of_a_prompt_are_alike() -> None:
    rng = np.random.default_rng(0)
    covered = {"groups": 0, "alone": 0}
    for _ in range(400):
        held = (rng.random((60, 3)) < rng.beta(0.7, 0.3, (60, 1))).ravel().tolist()
        groups = [k // 3 for k in range(180)]
        for name, (low, high) in (
            ("groups", wilson_of_groups(held, groups)),
            ("alone", wilson(sum(held), 180)),
        ):
            covered[name] += low <= 0.7 <= high
    assert covered["groups"] > 370 and covered["alone"] < 340


def test_the_error_of_a_mean_of_groups() -> None:
    values = np.random.default_rng(1).normal(size=12)
    assert mean_error(values, range(12)) == pytest.approx(sem(values))
    assert mean_error(np.repeat(values, 4), np.repeat(np.arange(12), 4).tolist()) == pytest.approx(
        sem(values)
    )
    assert mean_error([3.0], ["a"]) == 0
