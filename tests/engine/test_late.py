"""Calls that are answered later: steps of others go on, and nothing else is different."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from limner.engine.request import Call, DrawRequest, Failed, Stage, Stepped, Stopped
from limner.engine.scheduler import Drawn, Happening, StepScheduler
from limner.engine.studio import LocalStudio
from limner.engine.watching import Batch, Sight
from limner.families import Program
from limner.registry.models import Registry, open_model
from tests.engine.fakes import BrokenError, FakeNetworks, Listener, Plan

Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Held:
    """A call that waits for the test to answer it."""

    graph: str
    inputs: Mapping[str, NDArray[Any]]
    networks: FakeNetworks
    coming: Future[Outputs]

    @property
    def rows(self) -> int:
        return len(self.inputs["state"])

    def answer(self) -> Held:
        """Let it have what the networks give, or what they raise."""
        try:
            self.coming.set_result(self.networks(self.graph, self.inputs))
        except BrokenError as error:
            self.coming.set_exception(error)
        return self


class LateNetworks(FakeNetworks):
    """Fake networks whose late calls the test answers."""

    def __init__(self) -> None:
        super().__init__()
        self._held: Queue[Held] = Queue()

    def later(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> Future[Outputs]:
        held = Held(graph, inputs, self, Future())
        self._held.put(held)
        return held.coming

    def held(self) -> Held:
        """The oldest call that is held; waits for one where there is none."""
        return self._held.get(timeout=20)

    @contextmanager
    def free(self) -> Iterator[None]:
        """Within it all calls are answered, by threads that overtake each other."""
        over = threading.Event()

        def answering() -> None:
            while not over.is_set():
                with suppress(Empty):
                    self._held.get(timeout=0.01).answer()

        with ThreadPoolExecutor(3) as pool:
            for _ in range(3):
                pool.submit(answering)
            try:
                yield
            finally:
                over.set()


class Hearing(Listener):
    """A listener that one can wait for to hear of a step."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = threading.Condition()

    def __call__(self, event: Happening) -> None:
        with self._heard:
            super().__call__(event)
            self._heard.notify_all()

    def until(self, step: int) -> None:
        """Wait for a step, 20 s at most."""
        with self._heard:
            assert self._heard.wait_for(lambda: step in self.steps, 20)


@contextmanager
def running(networks: LateNetworks, **options: Any) -> Iterator[StepScheduler]:
    scheduler = StepScheduler(networks, later=networks.later, **options)
    try:
        yield scheduler
    finally:
        scheduler.close()


@dataclass(frozen=True)
class Work:
    """A picture of so many steps and rows; a call of the stage `breaks` breaks the network."""

    seed: int
    steps: int = 3
    rows: int = 1
    breaks: Stage | None = None

    def program(self) -> Program:
        """Encode, step by step refine, decode: each a step that is heard of."""
        state = np.random.default_rng(self.seed).standard_normal((self.rows, 2), np.float32)
        steps: list[tuple[str, Stage]] = [("unet", "refine")] * self.steps
        calls: list[tuple[str, Stage]] = [("text_encoder", "encode"), *steps, ("vae_decoder", "decode")]
        for number, (graph, stage) in enumerate(calls, 1):
            poison = np.full(self.rows, stage == self.breaks)
            outputs = yield Call(graph, {"state": state, "poison": poison}, stage)
            assert outputs is not None
            state = outputs["state"]
            yield Stepped(number, len(calls), None)
        return state.view(np.uint8)

    def alone(self) -> NDArray[np.uint8]:
        """What it is where nothing is late and nobody else there."""
        listener, scheduler = Listener(), StepScheduler(FakeNetworks())
        scheduler.submit(Work(self.seed, self.steps, self.rows).program(), listener)
        ending = listener.ending()
        scheduler.close()
        assert isinstance(ending, Drawn)
        return ending.pixels

    def is_the_picture(self, ending: Happening) -> None:
        assert isinstance(ending, Drawn) and np.array_equal(ending.pixels, self.alone())

    def is_drawn(self, listener: Listener) -> None:
        self.is_the_picture(listener.ending())


def test_steps_go_on_while_another_picture_is_encoded_or_decoded() -> None:
    networks, heard = LateNetworks(), [Hearing() for _ in range(3)]
    works = [Work(seed, steps=4) for seed in range(3)]
    with running(networks) as scheduler:
        scheduler.submit(works[0].program(), heard[0])
        networks.held().answer()
        decoding = networks.held()
        assert decoding.graph == "vae_decoder" and heard[0].steps == [1, 2, 3, 4, 5]
        scheduler.submit(works[1].program(), heard[1])
        networks.held().answer()
        scheduler.submit(works[2].program(), heard[2])
        encoding = networks.held()
        assert encoding.graph == "text_encoder"
        heard[1].until(5)  # all its steps, while the first is decoded and the last encoded
        assert heard[0].steps == [1, 2, 3, 4, 5] and not heard[2].steps
        decoding.answer()
        works[0].is_drawn(heard[0])
        networks.held().answer()
        works[1].is_drawn(heard[1])
        encoding.answer()
        networks.held().answer()
        works[2].is_drawn(heard[2])


def at_once(scheduler: StepScheduler, works: Mapping[Work, Listener]) -> Listener:
    """Submit from the scheduler's own thread, so that all come in the same round; who hears when it is done."""

    def gate() -> Program:
        for work, listener in works.items():
            scheduler.submit(work.program(), listener, name=f"picture {work.seed}")
        return np.zeros(1, np.uint8)
        yield Stepped(1, 1, None)

    done = Listener()
    scheduler.submit(gate(), done)
    return done


def test_a_graph_has_one_call_under_way_and_what_comes_meanwhile_is_joined() -> None:
    networks, works = LateNetworks(), {Work(seed, rows=seed + 1): Listener() for seed in range(4)}
    (first, listener), *others = works.items()
    with running(networks) as scheduler:
        scheduler.submit(first.program(), listener)
        held = networks.held()
        at_once(scheduler, dict(others)).ending()
        held.answer()
        assert networks.held().answer().rows == 2 + 3 + 4
        with networks.free():
            for work, listener in works.items():
                work.is_drawn(listener)


def test_one_that_is_cancelled_while_it_is_away_leaves_at_once_and_its_answer_is_nobodys() -> None:
    networks, gone, other = LateNetworks(), Hearing(), Hearing()
    with running(networks) as scheduler:
        ticket = scheduler.submit(Work(1).program(), gone)
        encoding = networks.held()
        ticket.cancel()
        assert isinstance(gone.ending(), Stopped)
        scheduler.submit(Work(2).program(), other)  # waits for the graph
        encoding.answer()
        assert networks.held().answer().graph == "text_encoder"
        networks.held().answer()
        Work(2).is_drawn(other)
    assert gone.steps == []


@pytest.mark.parametrize("stage", ["encode", "decode"])
def test_only_those_at_fault_fail_when_a_joined_late_call_fails(stage: Stage) -> None:
    networks, works = LateNetworks(), [Work(1), Work(2, breaks=stage), Work(3)]
    heard = {work: Listener() for work in works}
    with running(networks) as scheduler, networks.free():
        at_once(scheduler, heard)
        endings = [heard[work].ending() for work in works]
    assert [type(ending) for ending in endings] == [Drawn, Failed, Drawn]
    works[0].is_the_picture(endings[0])
    graph = "text_encoder" if stage == "encode" else "vae_decoder"
    assert [len(rows) for called, rows in networks.calls if called == graph][:4] == [3, 1, 1, 1]


def test_what_cannot_be_begun_fails_those_who_asked_alone() -> None:
    networks, asked, other = LateNetworks(), Listener(), Listener()

    def refusing(graph: str, inputs: Mapping[str, NDArray[Any]]) -> Future[Outputs]:
        raise BrokenError("no thread")

    scheduler = StepScheduler(networks, later=refusing)
    scheduler.submit(Work(1).program(), asked)
    scheduler.submit(Plan(2).program(), other)
    ending, drawn = asked.ending(), other.ending()
    scheduler.close()
    assert isinstance(ending, Failed) and isinstance(ending.error, BrokenError)
    assert isinstance(drawn, Drawn) and np.array_equal(drawn.pixels, Plan(2).alone())


def test_closing_waits_for_no_answer() -> None:
    networks, listener = LateNetworks(), Listener()
    with running(networks) as scheduler:
        scheduler.submit(Work(1).program(), listener)
        held = networks.held()
        scheduler.close()
        assert isinstance(listener.ending(), Stopped)
        held.answer()
    assert scheduler.in_flight == 0


def test_a_call_that_never_answers_counts_as_standing_still() -> None:
    networks, listener = LateNetworks(), Listener()
    with running(networks) as scheduler:
        scheduler.submit(Work(1).program(), listener)
        held = networks.held()
        threading.Event().wait(0.01)
        assert scheduler.still_for >= 0.01
        held.answer()
        networks.held().answer()
        listener.ending()
        deadline = time.monotonic() + 20
        while scheduler.still_for > 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert scheduler.still_for == 0


def test_a_late_call_is_seen_with_the_time_that_it_took() -> None:
    seen: list[Sight] = []
    networks, listener = LateNetworks(), Listener()
    with running(networks, model="m@1", watcher=seen.append) as scheduler:
        scheduler.submit(Work(1, steps=1).program(), listener, name="one")
        held = networks.held()
        threading.Event().wait(0.01)
        held.answer()
        networks.held().answer()
        listener.ending()
    told = [(each.stage, each.rows, each.pictures, each.error) for each in seen if isinstance(each, Batch)]
    assert told == [
        ("encode", 1, ("one",), None),
        ("refine", 1, ("one",), None),
        ("decode", 1, ("one",), None),
    ]
    assert isinstance(seen[0], Batch) and seen[0].seconds >= 0.01


works = st.builds(
    Work,
    st.integers(0, 99),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([None, "encode", "decode"]),
)


@settings(max_examples=40, deadline=None)
@given(
    asked=st.lists(works, min_size=1, max_size=8, unique=True), cancels=st.sets(st.integers(0, 7), max_size=2)
)
def test_pictures_are_what_they_are_in_order(asked: list[Work], cancels: set[int]) -> None:
    networks, heard = LateNetworks(), [Listener() for _ in asked]
    with running(networks, max_rows=5) as scheduler, networks.free():
        tickets = [scheduler.submit(w.program(), each) for w, each in zip(asked, heard, strict=True)]
        for number in cancels & set(range(len(tickets))):
            tickets[number].cancel()
        for number, (work, listener) in enumerate(zip(asked, heard, strict=True)):
            ending = listener.ending()
            if isinstance(ending, Stopped):
                assert number in cancels
            elif isinstance(ending, Failed):
                assert work.breaks is not None and isinstance(ending.error, BrokenError)
            else:
                work.is_the_picture(ending)


def test_a_studio_draws_the_same_with_a_backend_that_answers_late(tiny_model: Path, tmp_path: Path) -> None:
    """ONNX Runtime on a processor, once as it is and once as on a GPU."""
    pictures = []
    for late in (False, True):
        studio = LocalStudio(
            Registry(tmp_path / str(late), [open_model(tiny_model)]), "onnxruntime", threads=1
        )
        studio._backend.late = late
        pictures.append(studio.draw(DrawRequest(prompt="a red apple", model="tiny", seed=3, steps=4)).pixels)
        studio.close()
    assert np.array_equal(pictures[0], pictures[1])
