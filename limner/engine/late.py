"""Calls that are answered while others go on: a text encoded, a picture decoded, beside the steps.

Only a device that does several things at once gains by it: a GPU, whose networks have a stream each. One call of a
graph is under way at a time; those that come meanwhile are joined in the next.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .batches import join
from .request import Call

if TYPE_CHECKING:
    from .scheduler import Ticket

Outputs = dict[str, NDArray[Any]]
Later = Callable[[str, Mapping[str, NDArray[Any]]], "Future[Outputs]"]
"""(graph, inputs) -> outputs to come, any number of rows; returns at once."""


@dataclass
class LateCall:
    """One call of a network under way for a group of programs, each with its own `calls`.

    It began at `began` seconds since 1970 and took `seconds` once it has its answer, which `outputs` gives or raises.
    """

    group: Sequence[Ticket]
    calls: Sequence[Call]
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    answer: Future[Outputs] = field(default_factory=Future)
    _clock: float = field(default_factory=time.perf_counter)

    def outputs(self) -> Outputs:
        """What came; raises what went wrong."""
        return self.answer.result()


class LateCalls:
    """Those under way, and those that have their answer: begun and taken by one thread, answered by any."""

    def __init__(self, later: Later, wake: Callable[[], None]) -> None:
        """Make calls by `later`; `wake` is called whenever one has its answer."""
        self._later, self._wake = later, wake
        self._lock = threading.Lock()
        self._under_way: dict[str, tuple[LateCall, float]] = {}  # by graph, with when it began
        self._answered: deque[LateCall] = deque()

    def busy(self, graph: str) -> bool:
        """Whether a call of a graph is under way, or has an answer that nobody has taken."""
        with self._lock:
            return graph in self._under_way

    @property
    def answered(self) -> bool:
        """Whether there are answers to take."""
        return bool(self._answered)

    @property
    def longest(self) -> float:
        """For how many seconds the one that began first has been under way; 0 without one."""
        with self._lock:
            began = [since for late, since in self._under_way.values() if not late.answer.done()]
        return time.monotonic() - min(began) if began else 0.0

    def begin(self, group: Sequence[Ticket], calls: Sequence[Call]) -> None:
        """Make one call of those of a group, which are of one kind; what goes wrong is its answer."""
        late, graph = LateCall(group, calls), calls[0].graph
        with self._lock:
            self._under_way[graph] = late, time.monotonic()
        try:
            late.answer = self._later(graph, join(calls))
        except Exception as error:  # noqa: BLE001 - whatever a network raises is its callers' failure alone
            late.answer = Future()
            late.answer.set_exception(error)
        late.answer.add_done_callback(lambda _: self._arrived(late))

    def _arrived(self, late: LateCall) -> None:
        late.seconds = time.perf_counter() - late._clock
        self._answered.append(late)
        self._wake()

    def take(self) -> list[LateCall]:
        """Those that have their answer, in the order in which it came."""
        taken = []
        while self._answered:
            late = self._answered.popleft()
            with self._lock:
                del self._under_way[late.calls[0].graph]
            taken.append(late)
        return taken
