from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from limner.service.fairness import BULK, Shares, Waiting

numbers = itertools.count(1)


def jobs(
    owner: str, count: int = 1, cost: float = 20, bulk: bool = False, weight: float = 1
) -> list[Waiting]:
    return [Waiting(next(numbers), owner, bulk, cost, weight) for _ in range(count)]


def drawn(shares: Shares, waiting: Sequence[Waiting], count: int) -> list[Waiting]:
    """The first `count` that are drawn, while nobody else comes."""
    left, found = list(waiting), []
    for _ in range(count):
        job = shares.order(left)[0]
        shares.give(job, left)
        left.remove(job)
        found.append(job)
    return found


def test_equal_jobs_of_one_owner_are_drawn_as_they_came() -> None:
    waiting = jobs("ann", 5)
    assert drawn(Shares(), waiting[::-1], 5) == waiting


def test_the_order_told_is_the_order_drawn() -> None:
    waiting = jobs("ann", 3, 50) + jobs("bob", 3, 8) + jobs("ann", 2, 8, bulk=True) + jobs("cem", 1, 20)
    assert Shares().order(waiting) == drawn(Shares(), waiting, len(waiting))


def test_who_has_many_waiting_is_not_served_before_who_has_one() -> None:
    waiting = jobs("ann", 50) + jobs("bob", 1)
    assert [job.owner for job in drawn(Shares(), waiting, 3)] == ["ann", "bob", "ann"]


def test_work_is_shared_by_weight_and_not_by_number_of_jobs() -> None:
    waiting = jobs("ann", 200, 50, weight=3) + jobs("bob", 200, 10)
    work: Counter[str] = Counter()
    for job in drawn(Shares(), waiting, 120):
        work[job.owner] += int(job.cost)
    assert 2.7 < work["ann"] / work["bob"] < 3.3


def test_interactive_goes_first_and_bulk_is_drawn_all_the_same() -> None:
    shares, waiting = Shares(), jobs("ann", 20, bulk=True)
    late = jobs("bob", 1)
    assert drawn(shares, waiting + late, 1) == late
    # One more of interactive comes whenever one is drawn: bulk still has its part.
    left, seen = waiting + jobs("bob", 2), []
    for _ in range(90):
        (job,) = drawn(shares, left, 1)
        left.remove(job)
        seen.append(job.bulk)
        left += jobs("bob", 0 if job.bulk else 1)
    assert 90 * BULK * 0.7 < sum(seen) < 90 * BULK * 1.3
    assert not any(seen[:4])


def test_a_bulk_job_waits_for_so_many_interactive_ones_and_no_more() -> None:
    shares, bulk = Shares(), jobs("ann", 1, bulk=True)
    left = bulk + jobs("bob", 1)
    for turn in range(100):
        (job,) = drawn(shares, left, 1)
        left.remove(job)
        if job.bulk:
            assert turn <= 1 / BULK
            return
        left += jobs("bob", 1)
    raise AssertionError("bulk starved")


def test_a_small_job_passes_large_ones_but_not_for_ever() -> None:
    shares, large = Shares(), jobs("ann", 3, 50)
    small = jobs("ann", 1, 8)
    assert drawn(shares, large + small, 1) == small
    left = list(large)
    for turn in range(100):
        left += jobs("ann", 1, 8)
        (job,) = drawn(shares, left, 1)
        left.remove(job)
        if job == large[0]:
            assert turn < 50 / 8 + 1
            return
    raise AssertionError("large starved")


def test_who_was_away_has_no_credit_and_no_debt() -> None:
    shares = Shares()
    drawn(shares, jobs("ann", 30), 30)
    waiting = jobs("ann", 10) + jobs("bob", 10)
    assert Counter(job.owner for job in drawn(shares, waiting, 10)) == {"ann": 5, "bob": 5}


def test_a_job_that_waits_again_keeps_its_place() -> None:
    shares, waiting = Shares(), jobs("ann", 6)
    first = drawn(shares, waiting, 3)[0]
    assert drawn(shares, [*waiting[3:], first], 1) == [first]
