"""The short form of `make bench-load`, on a model with random weights, and the users that it is made of."""

from __future__ import annotations

import asyncio
from itertools import islice, pairwise
from pathlib import Path

import pytest

from benchmarks.arrivals import (
    REFUSED,
    Asked,
    Refused,
    asked_for,
    in_turn,
    percentile,
    play,
    poisson,
    seconds_of,
    wrongs,
)
from benchmarks.load import Plan, lines, measure_capacity, run


def test_arrivals_are_as_many_as_wanted_in_order_and_the_same_again() -> None:
    arrivals = poisson(rate=5.0, seconds=1000.0, steps=(8, 50), seed=3)
    assert abs(len(arrivals) - 5000) < 4 * 5000**0.5  # of a Poisson number, four standard deviations
    assert all(before.at <= after.at < 1000 for before, after in pairwise(arrivals))
    assert len({each.seed for each in arrivals}) == len(arrivals)
    assert {each.steps for each in arrivals} == {8, 50}
    assert arrivals == poisson(rate=5.0, seconds=1000.0, steps=(8, 50), seed=3)


def test_who_comes_asks_whatever_became_of_those_before() -> None:
    open_at_once, most = 0, 0

    async def ask(asked: Asked) -> None:
        nonlocal open_at_once, most
        open_at_once += 1
        most = max(most, open_at_once)
        while open_at_once < 3 and asked.seed < 3:
            await asyncio.sleep(0)
        if asked.seed == 3:
            raise Refused
        if asked.seed == 4:
            raise RuntimeError("the paint ran out")

    asked = [Asked(0.0, 8 + k, "a red apple", k) for k in range(5)]
    answers = asyncio.run(play(asked, ask))
    assert most >= 3 and [answer.asked for answer in answers] == asked
    assert wrongs(answers) == {REFUSED: 1, "RuntimeError: the paint ran out": 1}
    assert len(seconds_of(answers)) == 3 and len(seconds_of(answers, 9)) == 1


def test_users_in_turn_have_one_picture_each_in_hand() -> None:
    open_now, most = 0, 0

    async def ask(asked: Asked) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.001)
        open_now -= 1

    answers = asyncio.run(in_turn(3, 0.1, asked_for((8,), 1), ask))
    expected = [each.seed for each in islice(asked_for((8,), 1), len(answers))]
    assert most == 3 and sorted(answer.asked.seed for answer in answers) == expected


def test_percentiles_are_values_that_there_are() -> None:
    values = [float(k) for k in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 1.0)] == [1, 50, 95, 100]
    assert percentile([7.0], 0.95) == 7 and percentile([], 0.5) != percentile([], 0.5)


def test_capacity_is_what_many_users_in_turn_get_and_no_error_is_overlooked() -> None:
    plan, asked = Plan(steps=(2, 4), warming=0.0, measuring=0.1), 0

    async def ask(each: Asked) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)

    assert 0 < asyncio.run(measure_capacity(plan, ask)) <= asked / plan.measuring * 4 / 3

    async def refuse(each: Asked) -> None:
        await asyncio.sleep(0)
        raise Refused

    with pytest.raises(RuntimeError, match="429"):
        asyncio.run(measure_capacity(plan, refuse))


def test_a_crowd_is_served_without_errors(tiny_model: Path, tmp_path: Path) -> None:
    plan = Plan(users=4, seconds=2.0, load=0.5, steps=(2, 4), capacity=12.0, model=str(tiny_model))
    outcome = run(plan, tmp_path)
    for crowd in (outcome.mixed, outcome.without_longest):
        assert not crowd.errors and crowd.drawn + crowd.refused == crowd.asked
    assert 0 < outcome.without_longest.asked < outcome.mixed.asked
    assert len(list(lines(plan, outcome))) > 10
