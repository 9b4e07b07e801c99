"""Who is served first by the step scheduler where not all have room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.engine.request import Call, Stepped
from limner.engine.scheduler import Drawn, Happening
from limner.families import Program
from tests.engine.fakes import FakeNetworks, Listener, Plan, at_once, running


def numbered(number: int, rows: int, steps: int) -> Program:
    """A program whose rows say its number in each of its calls."""
    state = np.full((rows, 1), number, np.float32)
    for _ in range(steps):
        yield Call("unet", {"state": state, "poison": np.zeros(len(state), bool)})
    return np.zeros(1, np.uint8)


def served(networks: FakeNetworks) -> list[set[int]]:
    """Whose rows each call had."""
    return [set(state[:, 0].astype(int).tolist()) for _, state in networks.calls]


@settings(max_examples=60, deadline=None)
@given(
    come=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=12),
    max_rows=st.integers(4, 9),
)
def test_who_is_due_first_is_served_first(come: list[tuple[int, int]], max_rows: int) -> None:
    """In each call are those with the earliest deadlines that fit; of programs that come together, the shortest."""
    networks = FakeNetworks()
    listeners = [Listener() for _ in come]

    def gate() -> Program:
        for number, (rows, steps) in enumerate(come):
            scheduler.submit(numbered(number, rows, steps), listeners[number], steps=steps)
        return np.zeros(1, np.uint8)
        yield Stepped(1, 1, None)

    with running(networks, max_rows=max_rows) as scheduler:
        scheduler.submit(gate(), Listener())
        assert all(isinstance(listener.ending(), Drawn) for listener in listeners)
    left = {number: steps for number, (_, steps) in enumerate(come)}
    for calls in served(networks):
        fitting, room = set(), max_rows
        for number in sorted(left, key=lambda number: (come[number][1], number)):
            if come[number][0] <= room:
                fitting.add(number)
                room -= come[number][0]
        assert calls == fitting
        left = {n: steps - (n in calls) for n, steps in left.items() if steps > (n in calls)}
    assert not left


def test_a_long_program_is_not_passed_by_short_ones_for_ever() -> None:
    networks, long = FakeNetworks(), Listener()
    ended: list[int] = []

    def during(call: int) -> None:
        if call % 2 == 0 and call < 80:
            scheduler.submit(numbered(1 + call, 1, 2), Listener(), steps=2)

    networks.during = during
    with running(networks, max_rows=1) as scheduler:

        def hear(event: Happening) -> None:
            ended.append(len(networks.calls))
            long(event)

        scheduler.submit(numbered(0, 1, 10), hear, steps=10)
        assert isinstance(long.ending(), Drawn)
    assert 10 < ended[0] <= 2 + 2 * 10  # short ones of ten rounds pass it, and none that come later


def rounds_beside(short: Plan, max_rows: int, bulk: bool = False) -> list[int]:
    """Rows of each call while `short` is drawn beside seven programs of two rows that have long been at work."""
    networks, long = FakeNetworks(), [Plan(seed, steps=80, rows=2) for seed in range(7)]
    calls: list[int] = []

    class Last(Listener):
        def __call__(self, event: Happening) -> None:
            if not isinstance(event, Stepped):
                calls.append(len(networks.calls))
            super().__call__(event)

    ended = Last()

    def during(call: int) -> None:
        if call == 20:
            calls.append(call + 1)
            scheduler.submit(short.program(), ended, bulk=bulk, steps=short.steps)

    networks.during = during
    with running(networks, max_rows=max_rows) as scheduler:
        heard = {plan: Listener() for plan in long}
        at_once(scheduler, heard)
        drawn = ended.ending()
        assert isinstance(drawn, Drawn) and np.array_equal(drawn.pixels, short.alone())
        assert all(isinstance(each.ending(), Drawn) for each in heard.values())
    first, last = calls
    return [len(state) for _, state in networks.calls[first:last]]


def test_a_short_program_passes_long_ones_and_theirs_go_on() -> None:
    assert rounds_beside(Plan(99, steps=8, rows=2), max_rows=8) == [8] * 8


def test_where_there_is_room_all_are_served() -> None:
    assert rounds_beside(Plan(99, steps=30, rows=2), max_rows=16) == [16] * 30


@pytest.mark.parametrize("max_rows", [8, 16])
@pytest.mark.parametrize("steps", [8, 12])
def test_bulk_gives_way_and_is_drawn_all_the_same(max_rows: int, steps: int) -> None:
    rows = rounds_beside(Plan(99, steps, rows=2), max_rows, bulk=True)
    assert 3 * (steps - 1) + 1 <= len(rows) <= 3 * steps
    if max_rows == 16:
        assert rows.count(16) == steps and rows.count(14) == len(rows) - steps


def test_old_bulk_leaves_room_for_others() -> None:
    networks, listeners = FakeNetworks(), [Listener() for _ in range(8)]

    def during(call: int) -> None:
        if call == 20:
            for number in range(4, 8):
                scheduler.submit(numbered(number, 2, 9), listeners[number], steps=9)

    networks.during = during

    def gate() -> Program:
        for number in range(4):
            scheduler.submit(numbered(number, 2, 30), listeners[number], bulk=True, steps=30)
        return np.zeros(1, np.uint8)
        yield Stepped(1, 1, None)

    with running(networks, max_rows=8) as scheduler:
        scheduler.submit(gate(), Listener())
        assert all(isinstance(listener.ending(), Drawn) for listener in listeners)
    beside = [calls for calls in served(networks)[21:] if calls & {4, 5, 6, 7}]
    assert all(len(calls & {4, 5, 6, 7}) >= 3 for calls in beside[:9])
    assert sum(bool(calls & {0, 1, 2, 3}) for calls in beside[:9]) == 3


def test_bulk_alone_takes_part_in_every_round() -> None:
    networks, listeners = FakeNetworks(), [Listener() for _ in range(3)]

    def gate() -> Program:
        for number, listener in enumerate(listeners):
            scheduler.submit(numbered(number, 1, 6), listener, bulk=True, steps=6)
        return np.zeros(1, np.uint8)
        yield Stepped(1, 1, None)

    with running(networks) as scheduler:
        scheduler.submit(gate(), Listener())
        assert all(isinstance(listener.ending(), Drawn) for listener in listeners)
    assert served(networks) == [{0, 1, 2}] * 6
