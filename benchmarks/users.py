"""Several users at once through the engine: how long they all take, and when each sees something."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

from limner.engine.request import DrawRequest, Event, Failed, Finished, Stepped
from limner.engine.studio import Studio


@dataclass(frozen=True)
class Together:
    """Seconds from the common start: to the last picture, and to the first step that the last user sees."""

    total: float
    last_preview: float


def draw_together(studio: Studio, requests: Sequence[DrawRequest]) -> Together:
    """Start all requests at once and wait for all pictures."""
    events: SimpleQueue[tuple[int, Event]] = SimpleQueue()

    def note(k: int, event: Event) -> None:
        events.put((k, event))

    began = time.perf_counter()
    for k, request in enumerate(requests):
        studio.start(request, partial(note, k))
    seen: dict[int, float] = {}
    left = set(range(len(requests)))
    while left:
        k, event = events.get()
        if isinstance(event, Stepped):
            seen.setdefault(k, time.perf_counter() - began)
        elif isinstance(event, Finished):
            left.discard(k)
        else:
            raise RuntimeError(f"picture {k} was not drawn: {event}") from (
                event.error if isinstance(event, Failed) else None
            )
    return Together(time.perf_counter() - began, max(seen.values()))


def draw_in_turn(studio: Studio, requests: Sequence[DrawRequest]) -> Together:
    """Each request after the one before it; nobody who waits sees anything."""
    began = time.perf_counter()
    last = 0.0
    for request in requests:
        before = time.perf_counter() - began
        last = before + draw_together(studio, [request]).last_preview
    return Together(time.perf_counter() - began, last)
