"""The studio: the seam between those who ask for pictures and whatever draws them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from ..errors import Cancelled, Unavailable
from .backends import backend as backend_of
from .best import Candidates, Choosers
from .identity import identity
from .keeping import LoadedModels
from .loaded import LoadedModel
from .request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped
from .resolving import Resolver
from .scheduler import Drawn, Happening, Ticket
from .source import Source
from .watching import Watcher, unwatched

if TYPE_CHECKING:
    from ..registry.models import Model, Registry

_log = logging.getLogger(__name__)

_CLOSED = "the studio is closed; it takes no more requests"


class Drawing(Protocol):
    """A picture that is being drawn."""

    def cancel(self) -> None:
        """Stop at the next step; without effect once it has ended."""
        ...


class Studio(Protocol):
    """Whatever draws: the engine in this process, or engines elsewhere."""

    def models(self) -> list[Model]:
        """Give the models that can be asked for."""
        ...

    def model(self, reference: str) -> Model:
        """Give the `model` of a resolved request; NotFound without it."""
        ...

    def resolve(self, request: DrawRequest, source: Source | None = None) -> DrawRequest:
        """Fill every None of a request; NotFound for an unknown model, InvalidInput names a wrong field.

        `source` is what the picture is made from, where the request names an image: of the model's sizes it gets the
        one most like it.
        """
        ...

    def start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> Drawing:
        """Begin a picture and return at once; `source` as for `resolve`; who watches the engine knows it by `name`;
        nobody waits for one that is `bulk`.

        `on_event` is called from the engine's thread and must be quick: Stepped for each step, or where they
        come too fast to be followed for some and the last of them; at the end exactly one of Finished, Failed,
        Stopped. After `cancel()` Stopped comes within one step. Errors as `resolve`;
        Busy where too many are being drawn, Unavailable after `close`.
        """
        ...

    def identity(self, request: DrawRequest) -> str:
        """What draws a resolved request: another one when the files of its model, or of what chooses among its
        candidates, the backend or Limner are others.

        NotFound without the model.
        """
        ...

    def judged(self, model: Model) -> bool:
        """Whether there is a matcher that chooses the best of a model's pictures where none is named."""
        ...

    def state(self) -> str:
        """`ok`, or why nothing is drawn at the moment, in a few words."""
        ...

    @property
    def pid(self) -> int | None:
        """The process that draws on this machine; None where it is this one, or none at the moment."""
        ...

    def close(self) -> None:
        """Stop everything and free the models."""
        ...


class LocalStudio:
    """A Studio in this process: a model is loaded at its first picture and has one step scheduler."""

    def __init__(
        self,
        registry: Registry,
        backend: str = "auto",
        max_rows: int | None = None,
        threads: int | None = None,
        watcher: Watcher = unwatched,
        memory: int | None = None,
    ) -> None:
        """Draw the models of `registry`; NotFound or Unavailable where `backend` cannot be had.

        `max_rows` bounds the rows of one network call (a guided step is two rows; None: what the backend gains by);
        `threads` the cores. `watcher` sees what is done. Models that are not being drawn are let go past `memory` bytes
        of this process, where that is given, else past two of them.
        """
        self._registry, self._watcher = registry, watcher
        self._resolver = Resolver(registry)
        self._backend = backend_of(backend, threads=threads, cache=registry.data_dir / "cache")
        self._loaded = LoadedModels(self._load, memory)
        self._keeping = ThreadPoolExecutor(1, "engine keeping")
        self._choosers = Choosers(registry, self._backend)
        self._max_rows = self._backend.rows if max_rows is None else max_rows
        self._lock = Lock()
        self._closed = False

    def models(self) -> list[Model]:
        """Give the registry's models that draw."""
        return self._resolver.models()

    def model(self, reference: str) -> Model:
        """As `Studio` says."""
        return self._resolver.model(reference)

    def identity(self, request: DrawRequest) -> str:
        """As `Studio` says."""
        return identity(self._resolver.stamp(request), self._backend.name)

    def judged(self, model: Model) -> bool:
        """As `Studio` says."""
        return self._resolver.judged(model)

    def state(self) -> str:
        """Draws at any time until it is closed."""
        return "closed" if self._closed else "ok"

    @property
    def pid(self) -> int | None:
        """This process draws."""
        return None

    @property
    def still_for(self) -> float:
        """For how many seconds nothing has moved where something is being drawn, of all models the longest."""
        return max([self._choosers.still_for, *(each.scheduler.still_for for each in self._loaded.all())])

    @property
    def overgrown(self) -> bool:
        """Whether more memory is held than is allowed, and letting models go has not helped."""
        return self._loaded.overgrown

    def preload(self, name: str) -> None:
        """Load a model now, and draw a step of each kind to be warm; raises what `draw` would."""
        manifest = self._registry.find(name).manifest
        kinds = None if manifest.sampler is None else min(2, manifest.sampler.feature_reuse)
        known = (manifest.vocabulary or ("a picture",))[0]
        self.draw(DrawRequest(prompt=known, model=name, steps=kinds, seed=0))

    def resolve(self, request: DrawRequest, source: Source | None = None) -> DrawRequest:
        """Fill every None of a request, as `Studio` says; a name gets its version, so that it stays the same model."""
        if self._closed:
            raise Unavailable(_CLOSED)
        return self._resolver.resolve(request, source)

    def start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> Drawing:
        """Begin a picture, as `Studio` says; the first of a model waits on the engine's thread for loading."""
        if request.best_of == 1:
            return self._start(request, on_event, source, name, bulk)
        picture = Candidates(self.resolve(request, source), on_event, self._choosers.choose)
        picture.begin(lambda one, heard: self._start(one, heard, source, name, bulk))
        return picture

    def _start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None,
        name: str,
        bulk: bool,
    ) -> Ticket:
        began = time.perf_counter()
        model = self._registry.find(request.model)
        # Locked until it is submitted, so that the model cannot be let go in between.
        with self._lock:
            loaded = self._open(model)
            resolved = loaded.opened.resolve(request, source)
            last = Stepped(0, 0, None)

            def pass_on(happening: Happening) -> None:
                nonlocal last
                if not isinstance(happening, Stepped):
                    self._ended(loaded)
                if isinstance(happening, Drawn):
                    seconds = time.perf_counter() - began
                    drawn = Picture(
                        happening.pixels,
                        resolved,
                        model.name,
                        model.version,
                        seconds,
                        last.pictures,
                        last.attention,
                    )
                    on_event(Finished(drawn))
                    return
                if isinstance(happening, Stepped):
                    last = happening
                on_event(happening)

            program = loaded.opened.family.program(resolved, source)
            return loaded.scheduler.submit(program, pass_on, name, bulk, resolved.steps_taken or 1)

    def draw(self, request: DrawRequest, source: Source | None = None) -> Picture:
        """Draw one picture and wait for it; raises what went wrong, Cancelled when the studio is closed."""
        events: SimpleQueue[Event] = SimpleQueue()
        drawing = self.start(request, events.put, source)
        try:
            while True:
                event = events.get()
                if isinstance(event, Finished):
                    return event.picture
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Stopped):
                    raise Cancelled("the picture was not finished: the engine was closed")
        finally:
            drawing.cancel()

    def close(self) -> None:
        """Stop all pictures within a step and free the models. Idempotent."""
        with self._lock:
            self._closed = True
        self._loaded.close()
        self._choosers.close()
        self._keeping.shutdown()

    def _ended(self, loaded: LoadedModel) -> None:
        """What follows a picture; whatever comes of it, who waits for the picture is told."""
        try:
            loaded.tell_texts()
            self._keeping.submit(self._keep_within_bounds)
        except Exception:  # noqa: BLE001 - it is logged, and the picture's end is handed on
            _log.exception("what follows a picture failed")

    def _keep_within_bounds(self) -> None:
        try:
            self._loaded.keep_within_bounds()
        except Exception:  # noqa: BLE001 - it is logged, and the next end tries again
            _log.exception("models could not be let go")

    def _open(self, model: Model) -> LoadedModel:
        if self._closed:
            raise Unavailable(_CLOSED)
        return self._loaded.open(model)

    def _load(self, model: Model) -> LoadedModel:
        return LoadedModel(model, self._backend, self._max_rows, self._watcher)
