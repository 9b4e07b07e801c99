"""OpenVINO on a CPU: one graph with a dynamic batch axis for each network.

One dynamic graph was chosen over static graphs of several batch sizes: every row comes out with the same bits
alone and in any batch, and the weights are in memory once (docs/engine.md has the measurements).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ...errors import LimnerError
from . import Arrays

if TYPE_CHECKING:
    from ...registry.models import Model

_log = logging.getLogger(__name__)
_CPUINFO = Path("/proc/cpuinfo")


class OpenVino:
    """The OpenVINO backend; see `limner.engine.backends.Backend`."""

    name = "openvino"

    def __init__(self, threads: int | None = None, cache: Path | None = None) -> None:
        """`threads` limits the cores; compiled graphs are kept under `cache` where it is given."""
        self._core = openvino.Core()
        self._threads, self._cache = threads, cache

    def load(self, model: Model, graph: str) -> OpenVinoNetwork:
        """Compile a graph of a model, or read it compiled from the cache."""
        file = model.graph_file(graph)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _precision(model),
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # Other processes share the cores: let the system place the threads.
            "ENABLE_CPU_PINNING": False,
        }
        if self._threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self._threads
        if self._cache is not None and (folder := _cache_folder(self._cache, file)) is not None:
            settings["CACHE_DIR"] = str(folder)
        try:
            compiled = self._core.compile_model(file, "CPU", settings)
        except RuntimeError as error:
            raise LimnerError(f"graph '{graph}' of model '{model.name}': {_gist(error)}; {file}") from None
        return OpenVinoNetwork(f"graph '{graph}' of model '{model.name}'", compiled)


class OpenVinoNetwork:
    """A compiled graph; calls from several threads wait for each other."""

    def __init__(self, title: str, compiled: openvino.CompiledModel) -> None:
        """Run `compiled`; messages call it `title`."""
        self._title = title
        self._request = compiled.create_infer_request()
        self._outputs = [port.any_name for port in compiled.outputs]
        self._lock = Lock()

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; LimnerError where the inputs do not fit it."""
        # Inputs are read where they lie. Outputs are copied, for the next call overwrites them.
        shared = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        with self._lock:
            try:
                results = self._request.infer(shared, share_inputs=True, share_outputs=False)
            except (RuntimeError, ValueError) as error:
                shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
                raise LimnerError(f"{self._title} cannot take {shapes}: {_gist(error)}") from None
            return {name: np.asarray(results[place]) for place, name in enumerate(self._outputs)}


def _precision(model: Model) -> str:
    """Give the precision hint: bf16 where the manifest does not insist on float32 and the CPU has it."""
    if model.manifest.precision == "float32":
        return "f32"
    if _has_bfloat16(_CPUINFO):
        return "bf16"
    _log.info("model '%s' runs in float32: this processor has no bfloat16 arithmetic", model.name)
    return "f32"


def _has_bfloat16(cpuinfo: Path) -> bool:
    """Whether the processor multiplies bfloat16 itself; OpenVINO's own answer counts slow emulation too."""
    try:
        flags = cpuinfo.read_text().partition("\nflags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _cache_folder(cache: Path, file: Path) -> Path | None:
    """Make the folder for a compiled graph, and remove those of earlier weights; None where it cannot be made.

    OpenVINO's key knows the graph's file but not the weights beside it, so the folder's name tells them apart.
    """
    of_file = cache / "openvino" / hashlib.sha256(str(file).encode()).hexdigest()[:16]
    parts = sorted((part.name, part.stat()) for part in file.parent.iterdir() if part.is_file())
    stamp = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in parts])
    folder = of_file / hashlib.sha256(stamp.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for other in of_file.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    except OSError as error:
        _log.warning("compiled graphs are not kept: %s: %s", folder, error.strerror)
        return None
    return folder


def _gist(error: Exception) -> str:
    """Give the telling line of a runtime's message: the last that is not empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
