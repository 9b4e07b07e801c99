"""Backends: what runs a network. A graph's name goes in, named arrays go in and out.

- `openvino` is the fastest on a CPU: bfloat16 where the processor has it.
- `onnxruntime` (an extra) runs everywhere ONNX Runtime does, in float32; on a GPU where its package has one.
- `torch` (an extra) is for a GPU: bfloat16, compiled, captured.

Each is imported when it is first asked for; `choosing.py` says which that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from .choosing import Choice, chosen

if TYPE_CHECKING:
    from ...registry.models import Model

Arrays = Mapping[str, NDArray[Any]]


class DeviceLost(RuntimeError):
    """A device computes nothing more for this process, whatever it is asked: only another process can draw on it."""


class Network(Protocol):
    """One loaded graph, safe to call from several threads."""

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph on named arrays with any number of rows; the outputs are the caller's to keep.

        LimnerError where the inputs do not fit the graph; DeviceLost where its device fails for good.
        """
        ...

    def rest(self) -> None:
        """Give back what only a rush of calls needs; the next calls work as before."""
        ...

    def close(self) -> None:
        """Begin nothing more in the background. Idempotent."""
        ...


class Backend(Protocol):
    """A runtime for graphs. Of one call it gains by up to `rows` rows, and by `large_rows` where a row is a picture.

    With `late` its device computes several networks at once, so that calls which are no step had better be made beside
    the steps, on other threads.
    """

    name: str
    rows: int
    large_rows: int
    late: bool

    def load(self, model: Model, graph: str, beside: bool = False) -> Network:
        """Load a graph of a model, in a variant where it is called so (`engine.variants`), in the precision that its
        manifest asks for. One that is called `beside` the steps gives way to them where the device can tell.

        NotFound lists the graphs there are; LimnerError where the file cannot be used.
        """
        ...


def backend(name: str = "auto", *, threads: int | None = None, cache: Path | None = None) -> Backend:
    """Give the backend that `name` means, as `chosen` reads it.

    `threads` limits the processor cores (None: all that the runtime sees fit); `cache` is a folder for
    compiled graphs, which makes the next start faster. NotFound and Unavailable as of `chosen`.
    """
    choice = chosen(name)
    if choice.backend == "torch":
        from .torch import Torch

        return Torch(choice.device, threads)
    if choice.backend == "onnxruntime":
        from .onnxruntime import OnnxRuntime

        return OnnxRuntime(threads, choice.device)
    from .openvino import OpenVino

    return OpenVino(threads, cache)


__all__ = ["Arrays", "Backend", "Choice", "DeviceLost", "Network", "backend", "chosen"]
