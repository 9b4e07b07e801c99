"""A model in memory: its networks, each loaded when it is first called, and the scheduler that runs them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from threading import Lock
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .backends import Backend, Network
from .late import Outputs
from .resolving import OpenedModel
from .scheduler import StepScheduler
from .variants import attentive, full, shallow
from .watching import LetGo, Loaded, TextsLookedUp, Watcher, tell

if TYPE_CHECKING:
    from ..registry.manifest import Graph
    from ..registry.models import Model

_log = logging.getLogger(__name__)

# Values of one row, in or out, past which joining rows saves no time and costs memory: a decoder of pictures
# keeps all cores busy with one row, a denoiser of latents does not.
_JOINED_VALUES = 2**16


class LoadedModel:
    """One version of one model: its family, its networks, and the scheduler that runs them."""

    def __init__(self, model: Model, backend: Backend, max_rows: int, watcher: Watcher) -> None:
        """Read its small files; the networks follow as they are called."""
        self._name, self._watcher, self._told = f"{model.name}@{model.version}", watcher, (0, 0)
        self.opened = OpenedModel(model)
        self.networks = _Networks(model, backend, watcher)
        graphs = model.manifest.graphs.items()
        large = [name for name, graph in graphs if _values_of_row(graph) > _JOINED_VALUES]
        alone = {
            called: backend.large_rows
            for name in large
            for called in (name, full(name), shallow(name), attentive(name))
        }
        self.scheduler = StepScheduler(
            self.networks.run,
            later=self.networks.later if backend.late else None,
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
        tell(self._watcher, LetGo(self._name))


class _Networks:
    """The networks of a model, each loaded when it is first called; one that is being loaded holds up no other."""

    def __init__(self, model: Model, backend: Backend, watcher: Watcher) -> None:
        self._model, self._backend, self._watcher = model, backend, watcher
        self._networks: dict[str, Network] = {}
        self._loading: dict[str, Lock] = {}
        self._lock = Lock()
        # The scheduler makes one late call of a graph at a time; threads are begun as they are needed.
        self._beside = ThreadPoolExecutor(len(model.manifest.graphs), "engine beside")

    def run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        return self._network(graph, False)(inputs)

    def later(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> Future[Outputs]:
        return self._beside.submit(lambda: self._network(graph, True)(inputs))

    def rest(self) -> None:
        for network in self._all():
            network.rest()

    def close(self) -> None:
        """Let go of the networks when what is under way has ended."""
        self._beside.shutdown(cancel_futures=True)
        for network in self._all():
            network.close()

    def _all(self) -> list[Network]:
        with self._lock:
            return list(self._networks.values())

    def _network(self, graph: str, beside: bool) -> Network:
        with self._lock:
            loading = self._loading.setdefault(graph, Lock())
        with loading:
            found = self._networks.get(graph)
            if found is None:
                found = self._load(graph, beside)
                with self._lock:
                    self._networks[graph] = found
            return found

    def _load(self, graph: str, beside: bool) -> Network:
        began = time.perf_counter()
        network = self._backend.load(self._model, graph, beside)
        seconds = time.perf_counter() - began
        _log.info("%s: loaded '%s' in %.2f s", self._backend.name, graph, seconds)
        name = f"{self._model.name}@{self._model.version}"
        tell(self._watcher, Loaded(name, graph, self._backend.name, seconds))
        return network


def _values_of_row(graph: Graph) -> int:
    """Count the values of the largest picture or latent that one row takes or gives, as far as the manifest tells."""
    shapes = [port.shape[1:] for port in (*graph.inputs, *graph.outputs) if len(port.shape) == 4]
    return max((prod(size for size in shape if isinstance(size, int)) for shape in shapes), default=0)
