"""The torch backend: graphs of a model directory on a GPU or a CPU, calls taken apart into forms."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....errors import LimnerError, Unavailable
from ...variants import variant_of
from .. import Arrays, DeviceLost
from ..choosing import Device
from ..rewriting import variant_graph
from .forms import Form
from .graph import TorchGraph

if TYPE_CHECKING:
    from onnx import ModelProto

    from ....registry.models import Model

_log = logging.getLogger(__name__)

ROWS_ON_GPU = 128
"""Rows of one call that a GPU gains by."""

_FORMS_KEPT = 12  # of a network: numbers of rows, of one or two sizes


class Torch:
    """The torch backend; see `limner.engine.backends.Backend`."""

    name = "torch"

    def __init__(self, device: Device = "cpu", threads: int | None = None) -> None:
        """`threads` limits the cores. Unavailable where torch was built without GPUs."""
        if device == "cuda" and not torch.cuda.is_available():
            raise Unavailable(
                "torch sees no GPU: it was built without; draw on the processor with --device cpu"
            )
        self.device = torch.device(device)
        self.rows, self.large_rows = (16, 1) if device == "cpu" else (ROWS_ON_GPU, 8)
        self.late = device == "cuda"
        if threads is not None:
            torch.set_num_threads(threads)

    def load(self, model: Model, graph: str, beside: bool = False) -> TorchNetwork:
        """Read a graph of a model, its weights from the safetensors beside it; see `Backend.load`.

        On a GPU it has a stream of its own; what is called beside the steps has one of lower priority than theirs.
        """
        name, variant = variant_of(graph)
        file = model.graph_file(name)
        title = f"graph '{graph}' of model '{model.name}'"
        read = _read(file, title) if variant is None else variant_graph(file, variant)
        half = model.manifest.precision != "float32" and self.device.type == "cuda"
        half = half and torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = torch.bfloat16 if half else torch.float32
        try:
            with _losing(title):
                return TorchNetwork(title, TorchGraph(read, _weights(file, read), self.device, dtype), beside)
        except LimnerError as error:
            raise LimnerError(f"{title}: {error}") from None
        except torch.OutOfMemoryError:
            raise Unavailable(f"{title} does not fit into the memory of the GPU") from None


@contextmanager
def _losing(title: str) -> Iterator[None]:
    """CUDA's errors within are DeviceLost: after most of them each later call fails in this process."""
    try:
        yield
    except torch.AcceleratorError as error:
        raise DeviceLost(f"{title}: the GPU has failed: {' '.join(str(error).split())}") from None


def _read(file: Path, title: str) -> ModelProto:
    import onnx

    try:
        return onnx.load(file, load_external_data=False)
    except Exception as error:  # noqa: BLE001 - protobuf's errors have no base that has types
        raise LimnerError(f"{title}: {' '.join(str(error).split())}; {file}") from None


def _weights(file: Path, model: ModelProto) -> dict[str, torch.Tensor]:
    """What lies outside of a graph, by name: as many bytes of a file beside it as each says, in its type."""
    from onnx import TensorProto, external_data_helper, helper

    found: dict[str, torch.Tensor] = {}
    maps: dict[str, NDArray[np.uint8]] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        told = external_data_helper.ExternalDataInfo(tensor)
        if told.location not in maps:
            lies = (file.parent / told.location).resolve()
            if lies.parent != file.parent.resolve():
                raise LimnerError(f"{file}: weights must lie beside the graph, not at {told.location!r}")
            try:
                maps[told.location] = np.memmap(lies, np.uint8, "r")
            except (OSError, ValueError) as error:
                raise LimnerError(f"cannot read {lies}: {error}") from None
        half = tensor.data_type == TensorProto.BFLOAT16  # which numpy does not have
        dtype = np.dtype(np.uint16) if half else helper.tensor_dtype_to_np_dtype(tensor.data_type)
        count, start = int(np.prod(tensor.dims)) * dtype.itemsize, told.offset or 0
        part = maps[told.location][start : start + count]
        if len(part) != count:
            raise LimnerError(f"{file.parent / told.location} is too short: it holds no {tensor.name}")
        read = torch.from_numpy(part.view(dtype).reshape(tuple(tensor.dims)).copy())
        found[tensor.name] = read.view(torch.bfloat16) if half else read
    return found


class TorchNetwork:
    """A graph in forms of 1, 2, 4, ... rows; calls from several threads wait for each other.

    A GPU whose memory a form does not fit into gets smaller ones from then on: nothing is lost but speed.
    """

    def __init__(self, title: str, graph: TorchGraph, beside: bool = False) -> None:
        """Run `graph`, with less priority if it is run `beside` others; messages call it `title`."""
        self._title, self._graph = title, graph
        on_gpu, priority = graph.device.type == "cuda", 0 if beside else -1
        self._stream = (
            torch.cuda.Stream(graph.device, priority)  # type: ignore[no-untyped-call]
            if on_gpu
            else None
        )
        self._most = ROWS_ON_GPU
        self._forms: OrderedDict[tuple[Any, ...], Form] = OrderedDict()
        self._lock = Lock()

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; LimnerError where the inputs do not fit, Unavailable where one row needs too much memory.

        DeviceLost where the GPU fails.
        """
        if set(inputs) != set(self._graph.inputs) or not all(value.ndim for value in inputs.values()):
            raise self._unfit(inputs, f"it reads {', '.join(self._graph.inputs)}")
        rows = len(next(iter(inputs.values())))
        made: list[dict[str, NDArray[Any]]] = []
        with self._lock, _losing(self._title):
            first = 0
            while first < rows:
                form = min(self._most, 1 << (rows - first - 1).bit_length())
                filled = min(form, rows - first)
                part = {name: _padded(value[first : first + filled], form) for name, value in inputs.items()}
                try:
                    found = self._form(part)(part)
                except torch.OutOfMemoryError:
                    self._fewer(form)
                    continue
                except torch.AcceleratorError:
                    raise
                except (RuntimeError, ValueError, TypeError, LookupError, LimnerError) as error:
                    raise self._unfit(inputs, str(error)) from None
                made.append({name: value[:filled] for name, value in found.items()})
                first += filled
        if len(made) == 1:
            return made[0]
        return {name: np.concatenate([part[name] for part in made]) for name in self._graph.outputs}

    def _form(self, part: Arrays) -> Form:
        key = tuple((name, value.shape, value.dtype.str) for name, value in sorted(part.items()))
        if key not in self._forms:
            while len(self._forms) >= _FORMS_KEPT:
                self._forms.popitem(last=False)
            self._forms[key] = Form(self._graph, part, self._stream)
        self._forms.move_to_end(key)
        return self._forms[key]

    def _fewer(self, form: int) -> None:
        """After a form of so many rows did not fit: half as many, and room for them."""
        self._forms.clear()
        torch.cuda.empty_cache()
        if form == 1:
            raise Unavailable(f"{self._title}: one picture needs more memory than the GPU has free") from None
        self._most = form // 2
        _log.warning(
            "%s: at most %d rows from now on, for more do not fit into memory", self._title, self._most
        )

    def _unfit(self, inputs: Arrays, gist: str) -> LimnerError:
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
        return LimnerError(f"{self._title} cannot take {shapes}: {' '.join(gist.split())}")

    def rest(self) -> None:
        """Let go of all forms but the one used last, and of the device's spare memory."""
        with self._lock:
            while len(self._forms) > 1:
                self._forms.popitem(last=False)
            if self._stream is not None:
                torch.cuda.empty_cache()

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._forms.clear()


def _padded(value: NDArray[Any], rows: int) -> NDArray[Any]:
    """The rows of a value, and the last of them again until there are `rows`."""
    short = rows - len(value)
    return value if not short else np.concatenate([value, np.repeat(value[-1:], short, axis=0)])
