"""Whose job is drawn next: who has had the least of their share, interactive long before bulk, and nobody never.

Self-clocked fair queueing (Golestani 1994, "A self-clocked fair queueing scheme for broadband applications"). An
owner's interactive jobs are one flow, its bulk jobs another with a small weight. Every waiting job has a tag: where its
flow stands, or where the clock stood when the flow came, plus its cost by the flow's weight. The least tag is next, and
the clock goes to it. So it is work, not time, that the clock counts, and

- owners that wait at the same time are given work in proportion to their weights, however many jobs each has queued;
- bulk gives way to interactive, and is given BULK of a share where interactive never ends;
- within a flow a small job goes before a large one that came a little earlier, but only so many of them do.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BULK = 1 / 8
"""The weight of an owner's bulk jobs beside its interactive ones."""

_KEPT = 10_000  # jobs and flows that are remembered

Flow = tuple[str, bool]


def full(waiting: Mapping[str, int], owner: str, bulk: bool, limit: int) -> bool:
    """Whether a queue of `limit`, in which so many jobs of each owner are `waiting`, takes no further one of `owner`.

    Bulk is taken until three quarters of `limit` wait, and all until `limit` do. From there on it is closed to whoever
    has an equal share of `limit` waiting, so that nobody fills it against the others; at twice as many, to everybody.
    """
    total, share = sum(waiting.values()), max(1, limit // len({*waiting, owner}))
    if bulk:
        return total >= max(1, limit * 3 // 4)
    return total >= 2 * limit or (total >= limit and waiting.get(owner, 0) >= share)


@dataclass(frozen=True)
class Waiting:
    """A job that waits: jobs are numbered as they came; `cost` above 0, in any unit that is the same for all; twice the
    `weight` of its owner, above 0, is twice the share; `job` is its id."""

    number: int
    owner: str
    bulk: bool
    cost: float
    weight: float = 1.0
    job: str = ""

    @property
    def flow(self) -> Flow:
        """What it shares with its like."""
        return self.owner, self.bulk


def place(number: int, line: Sequence[Waiting]) -> int:
    """Where the job of that number stands in a line, counted from 1; behind it where it is not in it yet."""
    numbers = [waiting.number for waiting in line]
    return 1 + numbers.index(number) if number in numbers else len(numbers) + 1


class Shares:
    """What everybody has been given. Thread-safe. It begins empty: after a restart all stand at the same place."""

    def __init__(self) -> None:
        self._clock = 0.0
        self._came: OrderedDict[int, float] = OrderedDict()  # where the clock stood when a job was first seen
        self._given: OrderedDict[Flow, float] = OrderedDict()  # where flows stand
        self._paid: OrderedDict[int, None] = (
            OrderedDict()
        )  # jobs that were given once: they wait again for no fault
        self._lock = threading.Lock()

    def order(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """All that wait, next first."""
        with self._lock:
            return [job for job, _ in self._tagged(waiting)]

    def give(self, job: Waiting, waiting: Sequence[Waiting]) -> None:
        """Count a job, one of `waiting`, as drawn now."""
        with self._lock:
            tag = next(tag for other, tag in self._tagged(waiting) if other == job)
            self._clock = max(self._clock, tag)
            self._given[job.flow] = tag
            self._given.move_to_end(job.flow)
            self._paid[job.number] = None
            for kept in (self._came, self._given, self._paid):
                while len(kept) > _KEPT:
                    kept.popitem(last=False)

    def _tagged(self, waiting: Sequence[Waiting]) -> list[tuple[Waiting, float]]:
        flows: dict[Flow, list[Waiting]] = {}
        for job in sorted(waiting, key=lambda job: job.number):
            self._came.setdefault(job.number, self._clock)
            flows.setdefault(job.flow, []).append(job)
        tagged = []
        for flow, jobs in flows.items():
            part = BULK if flow[1] else 1.0
            costs = {
                job.number: 0.0 if job.number in self._paid else job.cost / (job.weight * part)
                for job in jobs
            }
            tag = max(self._given.get(flow, 0.0), min(self._came[job.number] for job in jobs))
            for job in sorted(jobs, key=lambda job: (self._came[job.number] + costs[job.number], job.number)):
                tag += costs[job.number]
                tagged.append((job, tag))
        return sorted(tagged, key=lambda each: (each[1], each[0].bulk, each[0].number))
