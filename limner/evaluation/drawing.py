"""Drawing many pictures through a studio, a few at a time, in the order of their requests."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from queue import SimpleQueue

from ..engine.request import DrawRequest, Event, Failed, Finished, Picture, Stopped
from ..engine.studio import Drawing, Studio
from ..errors import Cancelled


def draw_all(studio: Studio, requests: Sequence[DrawRequest], at_once: int) -> Generator[tuple[int, Picture]]:
    """Draw every request, `at_once` in flight, and yield (its number, its picture) as each is finished.

    Raises what went wrong with the first that fails; those in flight are cancelled then, as when it is closed.
    """
    ended: SimpleQueue[tuple[int, Event]] = SimpleQueue()
    flying: dict[int, Drawing] = {}
    waiting = iter(range(len(requests)))

    def start() -> None:
        number = next(waiting, None)
        if number is not None:

            def on_event(event: Event) -> None:
                if isinstance(event, Finished | Failed | Stopped):
                    ended.put((number, event))

            flying[number] = studio.start(requests[number], on_event)

    try:
        for _ in range(at_once):
            start()
        while flying:
            number, event = ended.get()
            del flying[number]
            if isinstance(event, Failed):
                raise event.error
            if not isinstance(event, Finished):
                raise Cancelled(f"picture {number + 1} of {len(requests)} was stopped")
            start()
            yield number, event.picture
    finally:
        for drawing in flying.values():
            drawing.cancel()
