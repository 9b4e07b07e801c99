"""The step scheduler: continuous batching of programs.

One thread goes round. In each round it admits who has come, groups the calls in flight by graph and shape,
makes one network call for each group, and gives every program in it its rows, which takes that program to its
next call. So programs join and leave at any step.

- What a program is sent does not depend on who shares its calls, as far as the network keeps rows apart.
- Where there are more rows than gain by being joined, earliest deadline first: a program's is about the round in which
  it would end were it served in every one. So a picture of few steps passes long ones that came a little before it, one
  of as many waits for them, and nobody starves, for who comes later and later has later deadlines.
- Bulk has what others leave of every third round, but one of it always.
- An error in a program, or in who listens to it, ends that program alone. When a joined call fails, its parts
  are tried one by one, so that only those at fault fail.
- Where the device does several things at once, calls that are no step (a text encoded, a picture decoded) are answered
  later, and steps of other programs go on meanwhile (`late.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Busy, LimnerError, Unavailable
from .batches import choose, join, rows_of, split
from .late import LateCall, LateCalls, Later, Outputs
from .request import Call, Failed, Stepped, Stopped
from .watching import Batch, Watcher, tell, unwatched

if TYPE_CHECKING:
    from ..families import Program

_log = logging.getLogger(__name__)

Run = Callable[[str, Mapping[str, NDArray[Any]]], Outputs]
"""(graph, inputs) -> outputs, any number of rows."""


@dataclass(frozen=True)
class Drawn:
    """A program has ended well: its pixels, uint8 (H, W, 3)."""

    pixels: NDArray[np.uint8]


_BULK_ROUNDS = 3  # of so many rounds one is for bulk, too

Happening = Stepped | Drawn | Failed | Stopped
OnEvent = Callable[[Happening], None]


class Ticket:
    """A program handed to a scheduler."""

    def __init__(
        self,
        program: Program,
        on_event: OnEvent,
        wake: Callable[[], None],
        name: str,
        bulk: bool,
        deadline: int,
    ) -> None:
        """Made by `StepScheduler.submit`."""
        self.program, self.on_event, self.name = program, on_event, name
        self.call: Call | None = None
        self.bulk, self.deadline = bulk, deadline
        self.away = self.alone = False  # its call is under way elsewhere; is to be made without others
        self.cancelled = threading.Event()
        self._wake = wake

    def cancel(self) -> None:
        """Stop: before its next step it gets Stopped. Nothing happens when it has already ended."""
        self.cancelled.set()
        self._wake()


def _by_deadline(tickets: Iterable[Ticket]) -> list[Ticket]:
    return sorted(tickets, key=lambda ticket: ticket.deadline)


def _waits(call: Call) -> bool:
    """Whether it is no step: others' steps need not wait for it."""
    return call.stage != "refine"


class StepScheduler:
    """Runs programs of one loaded model together, on a thread of its own.

    Events are handed out on that thread, the last of a program being exactly one of Drawn, Failed, Stopped;
    who gets them must be quick, for all wait.
    """

    def __init__(
        self,
        run: Run,
        *,
        later: Later | None = None,
        max_rows: int = 16,
        rows_of_graph: Mapping[str, int] | None = None,
        max_programs: int = 512,
        rest: Callable[[], None] = lambda: None,
        rest_after: float = 60.0,
        model: str = "model",
        watcher: Watcher = unwatched,
    ) -> None:
        """Call networks through `run`, at most `max_rows` rows at once, or what `rows_of_graph` says.

        Calls that are no step go through `later`, where there is one, and are answered when they are. A single call
        with more rows goes alone. `max_programs` may be in flight. `rest` is called once whenever there has been
        nothing to do for `rest_after` seconds. `watcher` sees every call, as one of `model`.
        """
        self._run, self._max_rows, self._rows_of_graph = run, max_rows, dict(rows_of_graph or {})
        self._max_programs = max_programs
        self._rest, self._rest_after = rest, rest_after
        self._model, self._watcher = model, watcher
        self._changed = threading.Condition()
        self._late = None if later is None else LateCalls(later, self._wake)
        self._arrived: deque[Ticket] = deque()
        self._in_flight = 0
        self._closed = False
        self._rounds = 0
        self._moved: float | None = (
            None  # when a call was last begun or ended, None where there is nothing to do
        )
        self._active: list[Ticket] = []  # of the thread alone
        self._thread = threading.Thread(target=self._work, name=f"engine {model}", daemon=True)
        self._thread.start()

    @property
    def in_flight(self) -> int:
        """How many programs have not ended; one that gets its last event has."""
        return self._in_flight

    @property
    def still_for(self) -> float:
        """Seconds since anything last moved, or a call has been without its answer; 0 where there is nothing to do."""
        moved = self._moved
        still = 0.0 if moved is None else time.monotonic() - moved
        return still if self._late is None else max(still, self._late.longest)

    def submit(
        self, program: Program, on_event: OnEvent, name: str = "", bulk: bool = False, steps: int = 1
    ) -> Ticket:
        """Start a program at the next round; returns at once. Who watches knows it by `name`; `bulk` gives way.

        It is expected to end after about so many `steps`; where it does not, it is only served sooner or later than
        it should be.

        Busy where as many as allowed are in flight, Unavailable after `close`.
        """
        with self._changed:
            if self._closed:
                raise Unavailable("the engine is closed; it takes no more requests")
            if self._in_flight >= self._max_programs:
                raise Busy(f"the engine draws {self._in_flight} pictures already; try again later", 1.0)
            ticket = Ticket(program, on_event, self._wake, name, bulk, self._rounds + steps)
            self._in_flight += 1
            self._arrived.append(ticket)
            self._changed.notify()
        return ticket

    def close(self) -> None:
        """Stop all programs within a step and end the thread; returns when it has ended. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _work(self) -> None:
        ending: Happening = Failed(LimnerError("the engine's thread has ended unexpectedly"))
        try:
            while self._admit():
                self._leave()
                self._round()
            ending = Stopped()
        finally:
            with self._changed:
                self._closed = True
                left = [*self._active, *self._arrived]
                self._arrived.clear()
            for ticket in left:
                self._end(ticket, ending)
            self._active.clear()

    def _admit(self) -> bool:
        """Wait for something to do and start who has come; False when the scheduler is closed."""
        with self._changed:
            rested = False
            self._moved = None
            while not (self._closed or self._arrived or self._something_to_do()):
                idle = not (rested or self._active)
                if not self._changed.wait(self._rest_after if idle else None) and idle:
                    rested = True
                    try:
                        self._rest()
                    except Exception:  # noqa: BLE001 - it is logged, and what comes next is drawn
                        _log.exception("the networks could not rest")
            if self._closed:
                return False
            self._moved = time.monotonic()
            arrived = list(self._arrived)
            # In both lists never, in one always: an error between here and there must not lose anyone.
            self._active += arrived
            self._arrived.clear()
        for ticket in arrived:
            self._advance(ticket, None)
        return True

    def _something_to_do(self) -> bool:
        """Whether anybody is to leave, has an answer, or has a call that can be made now."""
        if self._late is None:
            return bool(self._active)
        return self._late.answered or any(
            ticket.cancelled.is_set() or self._can_be_made(ticket) for ticket in self._active
        )

    def _can_be_made(self, ticket: Ticket) -> bool:
        if ticket.away or ticket.call is None:
            return False
        return not (self._late and _waits(ticket.call) and self._late.busy(ticket.call.graph))

    def _leave(self) -> None:
        for ticket in [ticket for ticket in self._active if ticket.cancelled.is_set()]:
            self._end(ticket, Stopped())

    def _round(self) -> None:
        if self._late is not None:
            for late in self._late.take():
                self._take(late)
            self._begin_late(self._late)
        here = [t for t in self._active if t.call is not None and not (self._late and _waits(t.call))]
        if not here:
            return
        self._rounds += 1
        waiting = [(ticket, ticket.call) for ticket in self._due(here) if ticket.call is not None]
        for group in choose(waiting, self._rows_of_graph, self._max_rows):
            self._serve(group)
            if self._closed:
                return

    def _due(self, here: Sequence[Ticket]) -> list[Ticket]:
        """Those of them that are served in this round as far as there is room, next first."""
        others, bulk = _by_deadline(t for t in here if not t.bulk), _by_deadline(t for t in here if t.bulk)
        if others and self._rounds % _BULK_ROUNDS:
            return others
        return [*bulk[:1], *others, *bulk[1:]]

    def _begin_late(self, late: LateCalls) -> None:
        """Begin those calls that are no steps, a graph at a time, those joined that can be."""
        here = _by_deadline(self._active)
        waiting = [(t, t.call) for t in here if t.call is not None and _waits(t.call) and not t.away]
        alone = [[ticket] for ticket, _ in waiting if ticket.alone]
        together = [(ticket, call) for ticket, call in waiting if not ticket.alone]
        for group in [*alone, *choose(together, self._rows_of_graph, self._max_rows)]:
            calls = [ticket.call for ticket in group if ticket.call is not None]
            if late.busy(calls[0].graph):
                continue
            for ticket in group:
                ticket.away = True
            late.begin(group, calls)

    def _take(self, late: LateCall) -> None:
        """Give a late answer to those of its programs that are still there."""
        group = [ticket for ticket in late.group if ticket in self._active]
        for ticket in group:
            ticket.away = False
        wrong = None
        try:
            shares = split(late.outputs(), late.calls)
        except Exception as error:  # noqa: BLE001 - whatever a network raises is its callers' failure alone
            wrong = error
        self._tell(late.group, late.calls, late.began, late.seconds, wrong)
        if wrong is None:
            share_of = dict(zip(map(id, late.group), shares, strict=True))
            self._hand_out(group, [share_of[id(ticket)] for ticket in group])
        elif len(late.group) == 1:
            for ticket in group:
                self._end(ticket, Failed(wrong))
        else:
            self._warn(late.calls, wrong)
            for ticket in group:
                ticket.alone = True

    def _serve(self, group: Sequence[Ticket]) -> None:
        """Make the group's call and take each of its programs to the next."""
        group = [ticket for ticket in group if not ticket.cancelled.is_set()]
        calls = [ticket.call for ticket in group if ticket.call is not None]
        if not calls:
            return
        self._moved = time.monotonic()
        try:
            shares = split(self._watched(group, calls), calls)
        except Exception as error:  # noqa: BLE001 - whatever a network raises is its callers' failure alone
            if len(group) == 1:
                self._end(group[0], Failed(error))
                return
            self._warn(calls, error)
            for ticket in group:
                self._serve([ticket])
            return
        self._hand_out(group, shares)

    @staticmethod
    def _warn(calls: Sequence[Call], error: Exception) -> None:
        _log.warning(
            "a joined call of graph '%s' failed, its parts are tried alone: %s", calls[0].graph, error
        )

    def _hand_out(self, group: Sequence[Ticket], shares: Sequence[Outputs]) -> None:
        for ticket, share in zip(group, shares, strict=True):
            self._moved = time.monotonic()
            ticket.alone = False
            self._advance(ticket, share)

    def _watched(self, group: Sequence[Ticket], calls: Sequence[Call]) -> Outputs:
        """Make one call of all, and let it be seen."""
        joined = join(calls)
        began, clock = time.time(), time.perf_counter()
        wrong = None
        try:
            return self._run(calls[0].graph, joined)
        except Exception as error:
            wrong = error
            raise
        finally:
            self._tell(group, calls, began, time.perf_counter() - clock, wrong)

    def _tell(
        self,
        group: Sequence[Ticket],
        calls: Sequence[Call],
        began: float,
        seconds: float,
        wrong: Exception | None,
    ) -> None:
        first, rows, names = calls[0], sum(map(rows_of, calls)), tuple(ticket.name for ticket in group)
        error = None if wrong is None else type(wrong).__name__
        tell(self._watcher, Batch(self._model, first.graph, first.stage, rows, names, began, seconds, error))

    def _advance(self, ticket: Ticket, outputs: dict[str, NDArray[Any]] | None) -> None:
        """Take a program to its next call or its end, handing out its steps on the way."""
        while not (ticket.cancelled.is_set() or self._closed):
            try:
                asked = ticket.program.send(outputs)
            except StopIteration as end:
                self._end(ticket, Stopped() if ticket.cancelled.is_set() else Drawn(end.value))
                return
            except Exception as error:  # noqa: BLE001 - one request's failure is not another's
                self._end(ticket, Failed(error))
                return
            outputs = None
            try:
                if isinstance(asked, Call):
                    rows_of(asked)
                    ticket.call = asked
                    return
                if not ticket.cancelled.is_set():
                    ticket.on_event(asked)
            except Exception as error:  # noqa: BLE001 - nor is that of who listens to it
                self._end(ticket, Failed(error))
                return
        self._end(ticket, Stopped())

    def _end(self, ticket: Ticket, ending: Happening) -> None:
        if ticket in self._active:
            self._active.remove(ticket)
        if isinstance(ending, Failed) and not isinstance(ending.error, LimnerError):
            _log.error("a request failed", exc_info=ending.error)
        try:
            ticket.program.close()
        except Exception:  # noqa: BLE001 - it is logged, and the others go on
            _log.exception("a program failed while it was closed")
        with self._changed:
            self._in_flight -= 1
        try:
            ticket.on_event(ending)
        except Exception:  # noqa: BLE001 - it is logged, and the others go on
            _log.exception("who listened to a request failed at its end")
