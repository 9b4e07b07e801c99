from __future__ import annotations

import threading
import time
from queue import Queue

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.engine.request import Call, Failed, Stepped, Stopped
from limner.engine.scheduler import Drawn, Happening, Ticket
from limner.errors import Busy, LimnerError, Unavailable
from limner.families import Program
from tests.engine.fakes import BrokenError, FakeNetworks, Listener, Plan, at_once, running

plans = st.builds(
    Plan,
    seed=st.integers(0, 99),
    steps=st.integers(1, 6),
    rows=st.integers(1, 3),
    width=st.integers(1, 2),
    graph=st.sampled_from(["unet", "vae_decoder"]),
    fails_at=st.none() | st.integers(0, 5),
    poisons_at=st.none() | st.integers(0, 5),
)


@settings(max_examples=150, deadline=None)
@given(
    arrivals=st.lists(st.tuples(plans, st.integers(0, 12)), min_size=1, max_size=10),
    cancels=st.dictionaries(st.integers(0, 9), st.integers(0, 15), max_size=4),
    max_rows=st.integers(1, 7),
    bulk=st.sets(st.integers(0, 9)),
)
def test_company_never_shows(
    arrivals: list[tuple[Plan, int]], cancels: dict[int, int], max_rows: int, bulk: set[int]
) -> None:
    """Whoever comes, goes or fails: each program is sent what it would be sent alone."""
    listeners = [Listener() for _ in arrivals]
    tickets: dict[int, Ticket] = {}

    def arrive(call: int) -> None:
        for number, (plan, when) in enumerate(arrivals):
            if number not in tickets and when <= call:
                tickets[number] = scheduler.submit(
                    plan.program(), listeners[number], bulk=number in bulk, steps=plan.steps
                )
        for number, when in cancels.items():
            if when <= call and number in tickets:
                tickets[number].cancel()

    networks = FakeNetworks(arrive)
    with running(networks, max_rows=max_rows) as scheduler:
        for _ in range(13):
            # Someone has to make the calls at which others arrive.
            opener = Listener()
            scheduler.submit(Plan(seed=100, steps=1, width=3).program(), opener)
            opener.ending()
        for number, (plan, _) in enumerate(arrivals):
            ending = listeners[number].ending()
            if isinstance(ending, Drawn):
                assert not plan.breaks
                assert np.array_equal(ending.pixels, plan.alone())
                assert listeners[number].steps == list(range(1, plan.steps + 1))
            elif isinstance(ending, Failed):
                assert plan.breaks and isinstance(ending.error, BrokenError)
            else:
                assert number in cancels
    for _, rows in networks.calls:
        assert len(rows) <= max(max_rows, 3)


def test_calls_of_one_kind_are_joined_and_other_kinds_are_not() -> None:
    networks = FakeNetworks()
    plans = [Plan(1), Plan(2, rows=2), Plan(3, width=5), Plan(4, graph="vae_decoder")]
    listeners = {plan: Listener() for plan in plans}
    with running(networks) as scheduler:
        at_once(scheduler, listeners)
        for plan, listener in listeners.items():
            ending = listener.ending()
            assert isinstance(ending, Drawn) and np.array_equal(ending.pixels, plan.alone())
    one_round = [("unet", (3, 2)), ("unet", (1, 5)), ("vae_decoder", (1, 2))]
    assert sorted((graph, rows.shape) for graph, rows in networks.calls) == sorted(one_round * 3)


def test_a_graph_can_have_its_own_bound_on_rows() -> None:
    networks = FakeNetworks()
    listeners = {Plan(seed, steps=1, graph="vae_decoder"): Listener() for seed in range(3)}
    with running(networks, rows_of_graph={"vae_decoder": 1}) as scheduler:
        at_once(scheduler, listeners)
        for listener in listeners.values():
            listener.ending()
    assert [len(rows) for _, rows in networks.calls] == [1, 1, 1]


def test_a_newcomer_joins_at_the_next_step() -> None:
    late = Listener()

    def during(call: int) -> None:
        if call == 1:
            scheduler.submit(Plan(2, steps=2).program(), late)

    networks = FakeNetworks(during)
    with running(networks) as scheduler:
        early = Listener()
        scheduler.submit(Plan(1, steps=5).program(), early)
        early.ending()
        late.ending()
    assert [len(rows) for _, rows in networks.calls] == [1, 1, 2, 2, 1]


def test_cancelling_stops_before_the_next_step() -> None:
    listener = Listener()
    tickets: list[Ticket] = []

    def during(call: int) -> None:
        if call == 2:
            tickets[0].cancel()

    networks = FakeNetworks(during)
    gate = threading.Event()
    with running(networks) as scheduler:

        def wait() -> Program:
            gate.wait(20)
            return np.zeros(1, np.uint8)
            yield Stepped(1, 1, None)

        scheduler.submit(wait(), Listener())
        tickets.append(scheduler.submit(Plan(1, steps=9).program(), listener))
        gate.set()
        assert isinstance(listener.ending(), Stopped)
        assert listener.steps == [1, 2] and len(networks.calls) == 3
        tickets[0].cancel()  # once more does nothing


def test_only_those_at_fault_fail_when_a_joined_call_fails() -> None:
    plans = [Plan(1), Plan(2, poisons_at=1), Plan(3)]
    listeners = {plan: Listener() for plan in plans}
    with running(FakeNetworks()) as scheduler:
        at_once(scheduler, listeners)
        endings = [listeners[plan].ending() for plan in plans]
    assert [type(ending) for ending in endings] == [Drawn, Failed, Drawn]


def test_a_listener_that_raises_ends_its_own_request_alone() -> None:
    heard: list[Happening] = []

    def deaf(event: Happening) -> None:
        heard.append(event)
        raise BrokenError("listener")

    networks, other = FakeNetworks(), Listener()
    with running(networks) as scheduler:
        scheduler.submit(Plan(1).program(), deaf)
        scheduler.submit(Plan(2).program(), other)
        ending = other.ending()
        assert isinstance(ending, Drawn) and np.array_equal(ending.pixels, Plan(2).alone())
    assert [type(event) for event in heard] == [Stepped, Failed]


@pytest.mark.parametrize(
    "inputs",
    [
        {"state": np.zeros((2, 1)), "poison": np.zeros(1, bool)},
        {"state": np.zeros((0, 1)), "poison": np.zeros(0, bool)},
        {"state": np.float32(1)},
        {},
    ],
)
def test_a_call_without_one_number_of_rows_fails(inputs: dict[str, np.ndarray]) -> None:
    def program() -> Program:
        yield Call("unet", inputs)
        return np.zeros(1, np.uint8)

    listener = Listener()
    with running(FakeNetworks()) as scheduler:
        scheduler.submit(program(), listener)
        ending = listener.ending()
    assert isinstance(ending, Failed) and "rows" in str(ending.error)


def test_a_network_that_loses_rows_is_an_error() -> None:
    listener = Listener()
    with running(FakeNetworks()) as scheduler:
        scheduler._run = lambda graph, inputs: {"state": inputs["state"][:1]}
        scheduler.submit(Plan(1, rows=2).program(), listener)
        ending = listener.ending()
    assert isinstance(ending, Failed) and isinstance(ending.error, LimnerError)


def test_too_many_are_refused_until_one_has_ended() -> None:
    gate = threading.Event()
    networks = FakeNetworks(lambda call: gate.wait(20))
    listeners = [Listener(), Listener()]
    with running(networks, max_programs=2) as scheduler:
        for seed, listener in enumerate(listeners):
            scheduler.submit(Plan(seed).program(), listener)
        with pytest.raises(Busy):
            scheduler.submit(Plan(3).program(), Listener())
        gate.set()
        for listener in listeners:
            listener.ending()


def test_closing_stops_everyone_and_refuses_newcomers() -> None:
    started = [threading.Event(), threading.Event()]
    closed: list[int] = []

    def program(number: int) -> Program:
        try:
            while True:
                yield Call("unet", {"state": np.ones((1, 1)), "poison": np.zeros(1, bool)})
                started[number].set()
        finally:
            closed.append(number)

    listeners = [Listener(), Listener()]
    with running(FakeNetworks()) as scheduler:
        for number, listener in enumerate(listeners):
            scheduler.submit(program(number), listener)
        assert all(event.wait(20) for event in started)
        scheduler.close()
        assert [type(listener.ending()) for listener in listeners] == [Stopped, Stopped]
        assert sorted(closed) == [0, 1] and scheduler.in_flight == 0
        with pytest.raises(Unavailable):
            scheduler.submit(program(2), Listener())


def test_it_rests_once_when_there_is_nothing_to_do() -> None:
    rested: Queue[float] = Queue()
    with running(FakeNetworks(), rest=lambda: rested.put(time.monotonic()), rest_after=0.05) as scheduler:
        rested.get(timeout=10)
        listener = Listener()
        scheduler.submit(Plan(1).program(), listener)
        assert isinstance(listener.ending(), Drawn)
        rested.get(timeout=10)
        time.sleep(0.3)
        assert rested.empty()


def test_networks_that_cannot_rest_are_drawn_with_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    begun: Queue[None] = Queue()

    def rest() -> None:
        begun.put(None)
        raise BrokenError("no rest")

    with running(FakeNetworks(), rest=rest, rest_after=0.05) as scheduler:
        begun.get(timeout=10)
        listener = Listener()
        scheduler.submit(Plan(1).program(), listener)
        assert isinstance(listener.ending(), Drawn)
    assert "no rest" in caplog.text
