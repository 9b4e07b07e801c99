"""Places: how many are drawn side by side, and what is promised to jobs that come."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from limner.engine.request import DrawRequest
from limner.service.jobs import Job
from limner.service.notes import Running
from limner.service.places import Places, Promise

JOB = Job("a", "running", DrawRequest(prompt="a red apple"), 1, (), None, 1, None, 0.0, 0.0, None)


def places(most: int = 4) -> Places:
    return Places(most, "worker", 30)


def promised(of: Places, bulk: bool = False) -> Promise:
    promise = of.promise(bulk)
    assert promise is not None
    return promise


def test_promises_count_as_if_they_were_drawn() -> None:
    of = places()
    of.running["a"] = Running(JOB)
    given = [promised(of) for _ in range(3)]
    assert of.promise(False) is None and not of.free(False) and not of.empty
    with of.turn:
        of.taken(given[0])
    assert promised(of) == Promise(False, "worker", 30)


def test_bulk_has_three_quarters() -> None:
    of = places()
    of.running["a"] = Running(replace(JOB, priority="bulk"))
    assert [of.promise(True) is not None for _ in range(3)] == [True, True, False]
    assert of.promise(False) is not None and of.promise(False) is None


def test_of_one_place_bulk_may_have_it() -> None:
    assert places(1).promise(True) is not None


def test_nothing_is_promised_beside_a_suspected_job() -> None:
    of = places()
    of.running["a"] = Running(replace(JOB, strikes=0))
    assert of.promise(False) is None and not of.free(False)


def test_nothing_is_promised_while_places_are_filled_or_when_it_ends() -> None:
    of = places()
    with of.turn:
        assert of.promise(False) is None
    of.open = False
    assert of.promise(False) is None and of.empty


def test_many_threads_get_no_more_than_there_are() -> None:
    of, given = places(50), list[Promise]()

    def ask() -> None:
        given.extend(promise for _ in range(100) if (promise := of.promise(False)) is not None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(given) <= 50


@pytest.mark.parametrize(("took", "said"), [(0.0, 1.0), (1e6, 60.0)])
def test_how_long_to_wait_follows_what_jobs_took(took: float, said: float) -> None:
    of = places(8)
    for _ in range(100):
        of.took(took)
    assert of.retry_after == said
