"""The best of several: candidates drawn side by side, of which a matcher keeps the one nearest to the prompt."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from .request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped

if TYPE_CHECKING:
    from ..families.matcher.matcher import Matcher
    from ..registry.models import Registry
    from .studio import Drawing

_KEPT = 2

Begin = Callable[[DrawRequest, Callable[[Event], None]], "Drawing"]


class Candidates:
    """The candidates of one picture, which is told of as one: its steps are those that all have taken, shown as the
    first is, and its end comes when all have ended. Thread-safe."""

    def __init__(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        choose: Callable[[DrawRequest, list[Picture], Callable[[Event], None]], None],
    ) -> None:
        """For a resolved request; `choose` tells the end of a picture whose candidates are drawn."""
        self._request, self._on_event, self._choose = request, on_event, choose
        self._began = time.perf_counter()
        self._steps = [0] * request.best_of
        self._pictures: dict[int, Picture] = {}
        self._left = request.best_of
        self._drawings: list[Drawing] = []
        self._preview: Stepped | None = None
        self._error: Exception | None = None
        self._over = False
        self._lock = Lock()

    def begin(self, begin: Begin) -> None:
        """Begin them all; raises what `begin` does, and then none goes on and nothing more is told."""
        try:
            for k, request in enumerate(self._request.candidates):
                drawing = begin(request, self._listener(k))
                with self._lock:
                    self._drawings.append(drawing)
                    over = self._over
                if over:
                    drawing.cancel()
        except BaseException:
            self._on_event = lambda event: None
            self.cancel()
            raise

    def cancel(self) -> None:
        """Stop them at their next step; without effect once they have ended."""
        with self._lock:
            self._over = True
            drawings = list(self._drawings)
        for drawing in drawings:
            drawing.cancel()

    def _listener(self, k: int) -> Callable[[Event], None]:
        return lambda event: self._stepped(k, event) if isinstance(event, Stepped) else self._ended(k, event)

    def _stepped(self, k: int, event: Stepped) -> None:
        with self._lock:
            before = min(self._steps)
            self._steps[k] = event.step
            now = min(self._steps)
            if k == 0:
                self._preview = event
            shown = self._preview
            if now == before or self._over:
                return
        self._on_event(Stepped(now, event.steps, None if shown is None else shown.preview))

    def _ended(self, k: int, event: Finished | Failed | Stopped) -> None:
        with self._lock:
            self._left -= 1
            if isinstance(event, Finished):
                self._pictures[k] = event.picture
                self._steps[k] = 2**31  # it holds up nobody's steps
            elif isinstance(event, Failed) and self._error is None:
                self._error = event.error
            left = self._left
        if isinstance(event, Failed) and left:
            self.cancel()
        if not left:
            self._end()

    def _end(self) -> None:
        if self._error is not None:
            self._on_event(Failed(self._error))
        elif len(self._pictures) < self._request.best_of:
            self._on_event(Stopped())
        else:
            pictures = [self._pictures[k] for k in range(self._request.best_of)]
            self._choose(self._request, pictures, self._told)

    def _told(self, event: Event) -> None:
        if isinstance(event, Finished):
            event = Finished(replace(event.picture, seconds=time.perf_counter() - self._began))
        self._on_event(event)


class Choosers:
    """The matchers that choose, the last few that were asked for; they work on a thread of their own, so that no
    model's steps wait for them."""

    def __init__(self, registry: Registry, backend: str = "auto") -> None:
        """Matchers of `registry`, run by `backend`."""
        self._registry, self._backend = registry, backend
        self._matchers: OrderedDict[str, Matcher] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "engine choosing")

    def choose(self, request: DrawRequest, pictures: list[Picture], tell: Callable[[Event], None]) -> None:
        """Have the picture told that the request's matcher finds nearest to its prompt, or why none can be."""
        try:
            self._thread.submit(self._work, request, pictures, tell)
        except RuntimeError:  # closed
            tell(Stopped())

    def close(self) -> None:
        """Wait for what is being chosen; whatever comes then is Stopped."""
        self._thread.shutdown()

    def _work(self, request: DrawRequest, pictures: list[Picture], tell: Callable[[Event], None]) -> None:
        try:
            from ..families.matcher.matcher import rerank

            best = rerank(
                self._matcher(request.matcher or ""), request.prompt, [one.pixels for one in pictures]
            )
        except Exception as error:  # noqa: BLE001 - it is that picture's alone
            tell(Failed(error))
            return
        tell(Finished(pictures[best]))

    def _matcher(self, reference: str) -> Matcher:
        if reference not in self._matchers:
            from ..families.matcher.opening import named_matcher

            self._matchers[reference] = named_matcher(self._registry, reference, self._backend)
        self._matchers.move_to_end(reference)
        while len(self._matchers) > _KEPT:
            self._matchers.popitem(last=False)
        return self._matchers[reference]
