"""The best of several: candidates drawn side by side, of which a matcher keeps the one nearest to the prompt."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..registry.stamps import stamp
from .request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped

if TYPE_CHECKING:
    from ..families.matcher.matcher import Matcher
    from ..registry.models import Registry
    from .backends import Backend
    from .studio import Drawing

_KEPT = 2

Tell = Callable[[Event], None]
Begin = Callable[[DrawRequest, Tell], "Drawing"]


class Candidates:
    """The candidates of one picture, which is told of as one: its step is the mean of theirs, its preview that of the
    first that is still being drawn, and its end comes when all have ended. Thread-safe."""

    def __init__(
        self,
        request: DrawRequest,
        on_event: Tell,
        choose: Callable[[DrawRequest, list[Picture], Tell, Callable[[], bool]], None],
    ) -> None:
        """For a resolved request; `choose` tells the end of a picture whose candidates are drawn, Stopped where it is
        no longer wanted."""
        self._request, self._on_event, self._choose = request, on_event, choose
        self._began = time.perf_counter()
        self._steps = [0] * request.best_of
        self._told_step = 0
        self._previews: dict[int, NDArray[Any]] = {}  # of those that are still being drawn
        self._pictures: dict[int, Picture] = {}
        self._left = request.best_of
        self._drawings: list[Drawing] = []
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
        """Stop them at their next step; without effect once the picture has ended."""
        with self._lock:
            self._over = True
            drawings = list(self._drawings)
        for drawing in drawings:
            drawing.cancel()

    def _listener(self, k: int) -> Tell:
        return lambda event: self._stepped(k, event) if isinstance(event, Stepped) else self._ended(k, event)

    def _stepped(self, k: int, event: Stepped) -> None:
        with self._lock:
            self._steps[k] = event.step
            if event.preview is not None:
                self._previews[k] = event.preview
            now = sum(min(step, event.steps) for step in self._steps) // self._request.best_of
            if now == self._told_step or self._over:
                return
            self._told_step = now
            preview = self._previews[min(self._previews)] if self._previews else None
        self._on_event(Stepped(now, event.steps, preview))

    def _ended(self, k: int, event: Finished | Failed | Stopped) -> None:
        with self._lock:
            self._left -= 1
            left = self._left
            if isinstance(event, Finished):
                self._pictures[k] = event.picture
                self._steps[k] = 2**31  # all of them, however many were told
                if left:
                    self._previews.pop(k, None)
            elif isinstance(event, Failed) and self._error is None:
                self._error = event.error
        if isinstance(event, Failed) and left:
            self.cancel()
        if not left:
            self._end()

    def _end(self) -> None:
        if self._error is not None:
            self._on_event(Failed(self._error))
        elif self._over or len(self._pictures) < self._request.best_of:
            self._on_event(Stopped())
        else:
            pictures = [self._pictures[k] for k in range(self._request.best_of)]
            self._choose(self._request, pictures, self._told, lambda: not self._over)

    def _told(self, event: Event) -> None:
        if isinstance(event, Finished):
            event = Finished(replace(event.picture, seconds=time.perf_counter() - self._began))
        self._on_event(event)


class Choosers:
    """The matchers that choose, the last few that were asked for; they work on a thread of their own, so that no
    model's steps wait for them."""

    def __init__(self, registry: Registry, backend: Backend | None = None) -> None:
        """Matchers of `registry`, run by `backend`, else by the one that fits."""
        self._registry, self._backend = registry, backend
        self._matchers: OrderedDict[tuple[str, str], Matcher] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "engine choosing")
        self._since: float | None = None
        self._closed = False

    @property
    def still_for(self) -> float:
        """For how many seconds one choice has taken."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def choose(
        self, request: DrawRequest, pictures: list[Picture], tell: Tell, wanted: Callable[[], bool]
    ) -> None:
        """Have the picture told that the request's matcher finds nearest to its prompt, or why none can be; Stopped
        where none is `wanted` any more."""
        try:
            self._thread.submit(self._work, request, pictures, tell, wanted)
        except RuntimeError:  # closed
            tell(Stopped())

    def close(self) -> None:
        """Wait for what is being chosen; whatever else waits or comes then is Stopped."""
        self._closed = True
        self._thread.shutdown()
        self._matchers.clear()

    def _work(
        self, request: DrawRequest, pictures: list[Picture], tell: Tell, wanted: Callable[[], bool]
    ) -> None:
        self._since = time.monotonic()
        try:
            end: Event = self._end_of(request, pictures) if self._wanted(wanted) else Stopped()
        except Exception as error:  # noqa: BLE001 - it is that picture's alone
            end = Failed(error)
        finally:
            self._since = None
        tell(end if self._wanted(wanted) or isinstance(end, Failed) else Stopped())

    def _wanted(self, wanted: Callable[[], bool]) -> bool:
        return wanted() and not self._closed

    def _end_of(self, request: DrawRequest, pictures: list[Picture]) -> Finished:
        from ..families.matcher.matcher import rerank

        matcher = self._matcher(request.matcher or "")
        return Finished(pictures[rerank(matcher, request.prompt, [one.pixels for one in pictures])])

    def _matcher(self, reference: str) -> Matcher:
        from ..families.matcher.opening import folder_of, named_matcher

        key = reference, stamp(folder_of(self._registry, reference))
        if key not in self._matchers:
            self._matchers[key] = named_matcher(self._registry, reference, self._backend)
        self._matchers.move_to_end(key)
        while len(self._matchers) > _KEPT:
            self._matchers.popitem(last=False)
        return self._matchers[key]
