from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest

from limner.evaluation.intervals import Z_95, wilson


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
