"""Programs and networks made of arithmetic, for the scheduler's tests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limner.engine.request import Call, Failed, Stepped, Stopped
from limner.engine.scheduler import Drawn, Happening, StepScheduler
from limner.families import Program


class BrokenError(Exception):
    """What fakes raise."""


@dataclass(frozen=True)
class Plan:
    """What a fake program does: `steps` calls of `graph` with `rows` rows of `width` values from `seed`.

    At `fails_at` (counted from 0) it raises instead of calling; at `poisons_at` its call breaks the network.
    """

    seed: int
    steps: int = 3
    rows: int = 1
    width: int = 2
    graph: str = "unet"
    fails_at: int | None = None
    poisons_at: int | None = None

    def program(self) -> Program:
        """Start it."""
        state = np.random.default_rng(self.seed).standard_normal((self.rows, self.width), np.float32)
        for step in range(self.steps):
            if step == self.fails_at:
                raise BrokenError("program")
            poison = np.full(self.rows, step == self.poisons_at)
            outputs = yield Call(self.graph, {"state": state, "poison": poison})
            assert outputs is not None and outputs["state"].shape == state.shape
            state = outputs["state"]
            yield Stepped(step + 1, self.steps, None)
        return state.view(np.uint8)

    def alone(self) -> NDArray[np.uint8]:
        """What it returns when nobody else is there."""
        state = np.random.default_rng(self.seed).standard_normal((self.rows, self.width), np.float32)
        for _ in range(self.steps):
            state = _next(self.graph, state)
        return state.view(np.uint8)

    @property
    def breaks(self) -> bool:
        """Whether it cannot end well."""
        return any(at is not None and at < self.steps for at in (self.fails_at, self.poisons_at))


def _next(graph: str, state: NDArray[np.float32]) -> NDArray[np.float32]:
    slope = np.float32(0.5 if graph == "unet" else 0.25)
    return state * slope + np.float32(1)


class FakeNetworks:
    """Row-wise arithmetic; keeps the rows of each call, and lets a test act during a call."""

    def __init__(self, during: Callable[[int], object] = lambda call: None) -> None:
        self.calls: list[tuple[str, NDArray[Any]]] = []
        self.during = during

    def __call__(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.calls.append((graph, inputs["state"]))
        self.during(len(self.calls) - 1)
        if inputs["poison"].any():
            raise BrokenError("network")
        return {"state": _next(graph, inputs["state"])}


class Listener:
    """Keeps the events of one program; `ending` waits for the last."""

    def __init__(self) -> None:
        self.events: list[Happening] = []
        self._endings: Queue[Happening] = Queue()

    def __call__(self, event: Happening) -> None:
        self.events.append(event)
        if not isinstance(event, Stepped):
            self._endings.put(event)

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps that were heard."""
        return [event.step for event in self.events if isinstance(event, Stepped)]

    def ending(self) -> Drawn | Failed | Stopped:
        """Wait for the last event, 20 s at most."""
        event = self._endings.get(timeout=20)
        assert not isinstance(event, Stepped) and self._endings.empty()
        return event


@contextmanager
def running(networks: FakeNetworks, **options: Any) -> Iterator[StepScheduler]:
    """A scheduler that is closed at the end."""
    scheduler = StepScheduler(networks, **options)
    try:
        yield scheduler
    finally:
        scheduler.close()


def at_once(scheduler: StepScheduler, listeners: Mapping[Plan, Listener]) -> None:
    """Submit plans so that they start in the same round: from inside a call of another program."""

    def gate() -> Generator[Call | Stepped, Any, NDArray[np.uint8]]:
        for plan, listener in listeners.items():
            scheduler.submit(plan.program(), listener, name=f"plan {plan.seed}", steps=plan.steps)
        return np.zeros(1, np.uint8)
        yield Stepped(1, 1, None)

    scheduler.submit(gate(), Listener())
