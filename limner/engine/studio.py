"""The studio: the seam between those who ask for pictures and whatever draws them."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import prod
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ..errors import Cancelled, Unavailable
from .backends import Backend, Network
from .backends import backend as backend_of
from .request import DrawRequest, Event, Failed, Finished, Picture, Stepped, Stopped
from .resolving import OpenedModel, Resolver, key_of
from .scheduler import Drawn, Happening, StepScheduler, Ticket
from .source import Source
from .variants import attentive, full, shallow
from .watching import Loaded, TextsLookedUp, Watcher, tell, unwatched

if TYPE_CHECKING:
    from ..registry.manifest import Graph
    from ..registry.models import Model, Registry

_log = logging.getLogger(__name__)
_CLOSED = "the studio is closed; it takes no more requests"

# Models that stay in memory while none of their pictures is being drawn.
_MODELS_KEPT = 2
# Values of one row, in or out, past which joining rows saves no time and costs memory: a decoder of pictures
# keeps all cores busy with one row, a denoiser of latents does not.
_JOINED_VALUES = 2**16


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
    ) -> Drawing:
        """Begin a picture and return at once; `source` as for `resolve`; who watches the engine knows it by `name`.

        `on_event` is called from the engine's thread and must be quick: Stepped for each step, last exactly
        one of Finished, Failed, Stopped. After `cancel()` Stopped comes within one step. Errors as `resolve`;
        Busy where too many are being drawn, Unavailable after `close`.
        """
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
        max_rows: int = 16,
        threads: int | None = None,
        watcher: Watcher = unwatched,
    ) -> None:
        """Draw the models of `registry`; NotFound or Unavailable where `backend` cannot be had.

        `max_rows` bounds the rows of one network call (a guided step is two rows); `threads` the cores. `watcher` sees
        what is done.
        """
        self._registry, self._max_rows, self._watcher = registry, max_rows, watcher
        self._resolver = Resolver(registry)
        self._backend = backend_of(backend, threads=threads, cache=registry.data_dir / "cache")
        self._loaded: OrderedDict[tuple[str, str], _LoadedModel] = OrderedDict()
        self._lock = Lock()
        self._closed = False

    def models(self) -> list[Model]:
        """Give the registry's models that draw."""
        return self._resolver.models()

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
        with self._lock:
            loaded = list(self._loaded.values())
        return max((each.scheduler.still_for for each in loaded), default=0.0)

    def preload(self, name: str) -> None:
        """Load a model now, and draw a step of each kind to be warm; raises what `draw` would."""
        sampler = self._registry.find(name).manifest.sampler
        kinds = None if sampler is None else min(2, sampler.feature_reuse)
        self.draw(DrawRequest(prompt="a picture", model=name, steps=kinds, seed=0))

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
    ) -> Ticket:
        """Begin a picture, as `Studio` says; the first of a model waits on the engine's thread for loading."""
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
                    loaded.tell_texts()
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
            return loaded.scheduler.submit(program, pass_on, name)

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
            leaving = list(self._loaded.values())
            self._loaded.clear()
        for loaded in leaving:
            loaded.close()

    def _open(self, model: Model) -> _LoadedModel:
        if self._closed:
            raise Unavailable(_CLOSED)
        key = key_of(model)
        if key not in self._loaded:
            self._loaded[key] = _LoadedModel(model, self._backend, self._max_rows, self._watcher)
        self._loaded.move_to_end(key)
        idle = [
            other for other, loaded in self._loaded.items() if other != key and not loaded.scheduler.in_flight
        ]
        for other in idle[: max(0, len(self._loaded) - _MODELS_KEPT)]:
            self._loaded.pop(other).close()
        return self._loaded[key]


class _LoadedModel:
    """One version of one model: its family, its networks, and the scheduler that runs them."""

    def __init__(self, model: Model, backend: Backend, max_rows: int, watcher: Watcher) -> None:
        self._name, self._watcher, self._told = f"{model.name}@{model.version}", watcher, (0, 0)
        self.opened = OpenedModel(model)
        self.networks = _Networks(model, backend, watcher)
        graphs = model.manifest.graphs.items()
        large = [name for name, graph in graphs if _values_of_row(graph) > _JOINED_VALUES]
        alone = {called: 1 for name in large for called in (name, full(name), shallow(name), attentive(name))}
        self.scheduler = StepScheduler(
            self.networks.run,
            max_rows=max_rows,
            rows_of_graph=alone,
            rest=self.networks.rest,
            model=self._name,
            watcher=watcher,
        )

    def tell_texts(self) -> None:
        """Let be seen how many texts were looked up since it was last told; of the engine's thread alone."""
        found, missed = self.opened.family.texts_looked_up
        if (found, missed) != self._told:
            before, self._told = self._told, (found, missed)
            tell(self._watcher, TextsLookedUp(self._name, found - before[0], missed - before[1]))

    def close(self) -> None:
        """Stop all pictures within a step, and let go of the networks."""
        self.scheduler.close()
        self.networks.close()


class _Networks:
    """The networks of a model, each loaded when it is first called."""

    def __init__(self, model: Model, backend: Backend, watcher: Watcher) -> None:
        self._model, self._backend, self._watcher = model, backend, watcher
        self._networks: dict[str, Network] = {}
        self._lock = Lock()

    def run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return self._network(graph)(inputs)

    def rest(self) -> None:
        for network in self._all():
            network.rest()

    def close(self) -> None:
        for network in self._all():
            network.close()

    def _all(self) -> list[Network]:
        with self._lock:
            return list(self._networks.values())

    def _network(self, graph: str) -> Network:
        with self._lock:
            if graph not in self._networks:
                began = time.perf_counter()
                self._networks[graph] = self._backend.load(self._model, graph)
                seconds = time.perf_counter() - began
                _log.info("%s: loaded '%s' in %.2f s", self._backend.name, graph, seconds)
                name = f"{self._model.name}@{self._model.version}"
                tell(self._watcher, Loaded(name, graph, self._backend.name, seconds))
            return self._networks[graph]


def _values_of_row(graph: Graph) -> int:
    """Count the values of the largest picture or latent that one row takes or gives, as far as the manifest tells."""
    shapes = [port.shape[1:] for port in (*graph.inputs, *graph.outputs) if len(port.shape) == 4]
    return max((prod(size for size in shape if isinstance(size, int)) for shape in shapes), default=0)
