"""ONNX Runtime in float32: portable, and the second opinion on others' results; on a GPU where its package has one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ...errors import LimnerError, Unavailable
from ..variants import variant_of
from . import Arrays
from .choosing import Device
from .rewriting import variant_graph

if TYPE_CHECKING:
    from ...registry.models import Model

_log = logging.getLogger(__name__)

_CPU = "CPUExecutionProvider"
_PROVIDERS: dict[Device, list[str]] = {
    "cpu": [_CPU],
    "cuda": ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
}
_WEIGHTS_IN = "session.model_external_initializers_file_folder_path"


class OnnxRuntime:
    """The ONNX Runtime backend; see `limner.engine.backends.Backend`."""

    name = "onnxruntime"

    def __init__(self, threads: int | None = None, device: Device = "cpu") -> None:
        """`threads` limits the cores. Unavailable where the package that is installed has no GPU."""
        self._threads, self._providers = threads or 0, _PROVIDERS[device]
        there = set(onnxruntime.get_available_providers())
        if not there & set(self._providers):
            raise Unavailable(
                "this onnxruntime has no GPU; get the one that has: pip install onnxruntime-gpu"
            )
        self._providers = [each for each in dict.fromkeys((*self._providers, _CPU)) if each in there]
        self.rows, self.large_rows = (16, 1) if device == "cpu" else (64, 8)
        self.late = device == "cuda"

    def load(self, model: Model, graph: str, beside: bool = False) -> OnnxRuntimeNetwork:
        """Open a session on a graph of a model; it computes in float32 whatever the manifest asks for."""
        name, variant = variant_of(graph)
        file = model.graph_file(name)
        title = f"graph '{graph}' of model '{model.name}'"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        read: str | bytes = str(file)
        if variant is not None:
            read = variant_graph(file, variant).SerializeToString()
            options.add_session_config_entry(
                _WEIGHTS_IN, str(file.parent)
            )  # it is no file that they lie beside
        try:
            session = onnxruntime.InferenceSession(read, options, providers=self._providers)
        except Exception as error:  # noqa: BLE001 - its errors have no common base of their own
            raise LimnerError(f"{title}: {_gist(error)}; {file}") from None
        return OnnxRuntimeNetwork(title, session)


class OnnxRuntimeNetwork:
    """An open session. Where a call of many rows fails and fewer rows do not, as where a GPU's memory is full, it gets
    no more than so many from then on: nothing is lost but speed."""

    def __init__(self, title: str, session: onnxruntime.InferenceSession) -> None:
        """Run `session`; messages call it `title`."""
        self._title, self._session = title, session
        self._outputs = [port.name for port in session.get_outputs()]
        self._most: int | None = None

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; LimnerError where the inputs do not fit it, or not one row fits into memory."""
        rows = max((len(value) for value in inputs.values() if value.ndim), default=1)
        most, first = min(rows, self._most or rows), 0
        made: list[list[NDArray[Any]]] = []
        while not made or first < rows:
            try:
                part = dict(inputs)
                if most < rows:
                    part = {name: value[first : first + most] for name, value in inputs.items()}
                made.append([np.asarray(value) for value in self._session.run(self._outputs, part)])
            except Exception as error:  # noqa: BLE001 - its errors have no common base of their own
                if most <= 1:
                    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
                    raise LimnerError(f"{self._title} cannot take {shapes}: {_gist(error)}") from None
                most //= 2
                continue
            first += most
        if most < min(rows, self._most or rows):
            self._most = most
            _log.warning("%s: at most %d rows from now on, for more failed", self._title, most)
        joined = made[0] if len(made) == 1 else [np.concatenate(parts) for parts in zip(*made, strict=True)]
        return dict(zip(self._outputs, joined, strict=True))

    def rest(self) -> None:
        """Nothing is held for a rush."""

    def close(self) -> None:
        """Nothing runs in the background."""


def _gist(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
