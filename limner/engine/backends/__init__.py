"""Backends: what runs a network. A graph's name goes in, named arrays go in and out.

- `openvino` (the default) is the fastest on a CPU: bfloat16 where the processor has it.
- `onnxruntime` (an extra) runs everywhere ONNX Runtime does, in float32.

Each is imported when it is first asked for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ...errors import NotFound, Unavailable

if TYPE_CHECKING:
    from ...registry.models import Model

Arrays = Mapping[str, NDArray[Any]]

_INSTALL = {"openvino": "pip install openvino", "onnxruntime": "pip install onnxruntime"}


class Network(Protocol):
    """One loaded graph, safe to call from several threads."""

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph on named arrays with any number of rows; the outputs are the caller's to keep.

        LimnerError where the inputs do not fit the graph.
        """
        ...

    def rest(self) -> None:
        """Give back what only a rush of calls needs; the next calls work as before."""
        ...

    def close(self) -> None:
        """Begin nothing more in the background. Idempotent."""
        ...


class Backend(Protocol):
    """A runtime for graphs."""

    name: str

    def load(self, model: Model, graph: str) -> Network:
        """Load a graph of a model, in a variant where it is called so (`engine.variants`), in the precision that its
        manifest asks for.

        NotFound lists the graphs there are; LimnerError where the file cannot be used.
        """
        ...


def backend(name: str = "auto", *, threads: int | None = None, cache: Path | None = None) -> Backend:
    """Give the backend called `name`; "auto" is the first that is installed, OpenVINO before ONNX Runtime.

    `threads` limits the processor cores (None: all that the runtime sees fit); `cache` is a folder for
    compiled graphs, which makes the next start faster. NotFound and Unavailable as of `installed`.
    """
    name = installed(name)
    if name == "openvino":
        from .openvino import OpenVino

        return OpenVino(threads, cache)
    from .onnxruntime import OnnxRuntime

    return OnnxRuntime(threads)


def installed(name: str = "auto") -> str:
    """The backend that a name means, without importing it.

    NotFound lists the backends there are; Unavailable says what to install.
    """
    if name == "auto":
        name = next((known for known in _INSTALL if _installed(known)), "openvino")
    if name not in _INSTALL:
        raise NotFound(f"backend '{name}' not found; known: auto, {', '.join(_INSTALL)}")
    if not _installed(name):
        raise Unavailable(f"backend '{name}' is not installed; get it with: {_INSTALL[name]}")
    return name


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


__all__ = ["Arrays", "Backend", "Network", "backend", "installed"]
