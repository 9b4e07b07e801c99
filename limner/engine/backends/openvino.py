"""OpenVINO on a CPU: each network compiled for a few fixed numbers of rows, which it takes a call apart into.

A form for a fixed number of rows runs up to twice as fast as one for any number, and all fixed forms give a row
the same bits, in bfloat16 on a processor with AMX all but the last ones (docs/engine.md has the measurements). A
network begins with the form that its first call fills; another is compiled in the background once calls have asked
for it often enough, and until then they make do.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from ...errors import InvalidInput, LimnerError
from ..variants import ATTENTION, FEATURES, Variant, variant_of
from . import Arrays
from .compiled import Compiled, compiled_forms
from .int8 import Table, check, round_network, table_of
from .processor import has_bfloat16
from .rewriting import places

if TYPE_CHECKING:
    from ...registry.models import Model

_log = logging.getLogger(__name__)

FORMS = (1, 2, 4, 8)
"""Numbers of rows that a network may be compiled for."""
_ASKED_OFTEN = 12  # calls: half a picture of twenty steps, or three where a fifth of them is not guided
_SIZES_KEPT, _IN_TURN = 2, 200  # calls within which sizes count as asked for in turn

Sizes = tuple[int, ...]
"""Of the axes beside rows that a network leaves open: sides of latents, tokens of a text."""


class OpenVino:
    """The OpenVINO backend; see `limner.engine.backends.Backend`."""

    name, rows, large_rows, late = "openvino", FORMS[-1], 1, False

    def __init__(self, threads: int | None = None, cache: Path | None = None) -> None:
        """`threads` limits the cores; compiled graphs are kept under `cache` where it is given."""
        self._core = openvino.Core()
        self._threads, self._cache = threads, cache

    def load(self, model: Model, graph: str, beside: bool = False) -> OpenVinoNetwork:
        """Read a graph of a model; forms are compiled, or read compiled from the cache, as calls need them."""
        name, variant = variant_of(graph)
        file = model.graph_file(name)
        title = f"graph '{graph}' of model '{model.name}'"
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _precision(model),
            "PERFORMANCE_HINT": "LATENCY",
            # Other processes share the cores: let the system place the threads.
            "ENABLE_CPU_PINNING": False,
        }
        if self._threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self._threads
        kept = None if self._cache is None else compiled_forms(self._cache, file)

        try:
            whole = self._core.read_model(file)
        except RuntimeError as error:
            raise LimnerError(f"{title}: {_gist(error)}; {file}") from None
        gone: set[str] = set()
        if variant is not None:
            there = _names(whole)
            whole = _variant(whole, variant, *places(file, variant))
            gone = there - _names(whole)
        table = None
        if model.manifest.precision == "int8" and table_of(file).is_file():
            try:
                table = Table.read(table_of(file)).without(gone)
                check(whole, table)
            except InvalidInput as error:
                _log.warning("%s is not drawn in 8 bits: %s; run limner optimize again", title, error)
                table = None

        free = {
            port.any_name: axes
            for port in whole.inputs
            if (axes := [at for at, size in enumerate(port.partial_shape) if at and size.is_dynamic])
        }

        def form(rows: int, sizes: Sizes | None) -> Form:
            streams = 1 if rows == 1 else 2
            told, each = settings | {"NUM_STREAMS": streams}, [rows // streams]

            def network() -> openvino.Model:
                # Of what was read at first: files that are replaced meanwhile must not mix with it.
                made = whole.clone()
                shapes = {port.any_name: [*each, *list(port.partial_shape)[1:]] for port in made.inputs}
                for (name, axis), size in zip(_axes(free), sizes or (), strict=sizes is not None):
                    shapes[name][axis] = size
                # Rounded weights would count beside those that are rounded, so that they are not kept for other forms.
                if table is not None:
                    round_network(made, table)
                made.reshape(shapes)
                return made

            try:
                if kept is None:
                    compiled = Compiled(self._core.compile_model(network(), "CPU", told))
                else:
                    asked = (graph, each, sizes, table is not None)
                    compiled = kept.compiled(self._core, told, asked, network)
                requests = [compiled.model.create_infer_request() for _ in range(streams)]
                return Form(requests, each[0], compiled.memory)
            except RuntimeError as error:
                raise LimnerError(f"{title}: {_gist(error)}; {file}") from None

        return OpenVinoNetwork(title, [port.any_name for port in whole.outputs], free, form)


def _names(network: openvino.Model) -> set[str]:
    return {layer.get_friendly_name() for layer in network.get_ops()}


def _variant(
    network: openvino.Model, variant: Variant, tensor: str | None, maps: Sequence[str]
) -> openvino.Model:
    """A network that gives its deep features and its attention too, or that is given the features in place of
    `tensor`; see `engine.variants`."""
    made = {name: port for layer in network.get_ops() for port in layer.outputs() for name in port.names}
    results = network.get_results()
    if maps:
        means = [ops.reduce_mean(made[name], np.array([1]), keep_dims=False) for name in maps]
        total = means[0]
        for mean in means[1:]:
            total = ops.add(total, mean)
        told = ops.result(ops.multiply(total, np.float32(1 / len(means))))
        told.output(0).set_names({ATTENTION})
        results.append(told)
    if variant != "shallow":
        if tensor is not None:
            kept = ops.result(made[tensor])
            kept.output(0).set_names({FEATURES})
            results.append(kept)
        return openvino.Model(results, network.get_parameters())
    assert tensor is not None
    source = made[tensor]
    features = ops.parameter(source.partial_shape, np.float32)
    features.output(0).set_names({FEATURES})
    for reader in source.get_target_inputs():
        reader.replace_source_output(features.output(0))
    # Called as what it stands for, so that what it gives is rounded as a table of 8-bit ranges says.
    features.set_friendly_name(source.node.get_friendly_name())
    return openvino.Model(results, [*network.get_parameters(), features])


class Form:
    """A network compiled for a fixed number of rows: one half runs on each half of the cores, at the same time.

    Halves wait for each other once a call, threads of one stream once a layer: that takes a tenth less time.
    """

    def __init__(self, requests: Sequence[openvino.InferRequest], rows: int, memory: object = None) -> None:
        """Each of `requests` takes `rows` rows; `memory` is what they read as long as they are there."""
        self._requests, self._rows, self._memory = requests, rows, memory

    def __call__(self, inputs: Arrays) -> list[NDArray[Any]]:
        """Give the outputs for the rows of all requests together."""
        # Inputs are read where they lie. Outputs are copied, for the next call overwrites them.
        if len(self._requests) == 1:
            found = self._requests[0].infer(inputs, share_inputs=True, share_outputs=False)
            return [np.asarray(value) for value in found.values()]
        parts = [
            {name: value[first : first + self._rows] for name, value in inputs.items()}
            for first in range(0, self._rows * len(self._requests), self._rows)
        ]
        with ExitStack() as running:  # waits for both, also where one fails: they read what is the caller's
            for request, part in zip(self._requests, parts, strict=True):
                request.start_async(part, share_inputs=True)
                running.callback(request.wait)
        made = [[tensor.data for tensor in request.output_tensors] for request in self._requests]
        return [np.concatenate(values) for values in zip(*made, strict=True)]


class OpenVinoNetwork:
    """A network in its forms; calls from several threads wait for each other.

    A network whose inputs may have other sizes than rows has forms of its own for each. Those of two are kept; where
    more are asked for in turn, the rest share slower ones that take any sizes, rather than be compiled at every call.
    """

    def __init__(
        self,
        title: str,
        outputs: Sequence[str],
        free: Mapping[str, Sequence[int]],
        form: Callable[[int, Sizes | None], Form],
    ) -> None:
        """Run what `form` makes for a number of rows and the sizes of `free` axes, giving `outputs`; messages call it
        `title`."""
        self._title, self._outputs, self._form = title, outputs, form
        self._free = _axes(free)
        self._of_sizes: OrderedDict[Sizes, _Forms] = OrderedDict()
        self._of_any = _Forms(lambda rows: form(rows, None))
        self._calls = 0
        self._closed = False
        self._compiling = ThreadPoolExecutor(1, thread_name_prefix="compile")
        self._lock = Lock()

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; LimnerError where the inputs do not fit it."""
        rows = max((len(value) if value.ndim else 0 for value in inputs.values()), default=0)
        with self._lock:
            try:
                forms = self._forms(tuple(inputs[name].shape[axis] for name, axis in self._free))
                for wanted in {form for form, _ in parts(rows, FORMS)}:
                    if forms.ask_for(wanted) and not self._closed:
                        self._compiling.submit(self._compile, forms, wanted)
                made, first = [], 0
                for form, filled in parts(rows, forms.ready):
                    part = {name: _rows(value, first, filled, form) for name, value in inputs.items()}
                    made.append(self._run(forms.ready[form], part, filled))
                    first += filled
            except LimnerError:
                self._of_sizes = OrderedDict((s, forms) for s, forms in self._of_sizes.items() if forms.ready)
                raise
            except (RuntimeError, ValueError, TypeError, LookupError) as error:
                shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
                raise LimnerError(f"{self._title} cannot take {shapes}: {_gist(error)}") from None
        if len(made) == 1:
            return made[0]
        return {name: np.concatenate([part[name] for part in made]) for name in self._outputs}

    def _forms(self, sizes: Sizes) -> _Forms:
        self._calls += 1
        forms = self._of_sizes.get(sizes)
        if forms is None:
            oldest = next(iter(self._of_sizes.values()), None)
            if oldest is not None and len(self._of_sizes) == _SIZES_KEPT:
                if self._calls - oldest.called < _IN_TURN:
                    return self._of_any
                self._of_sizes.popitem(last=False)
            forms = self._of_sizes[sizes] = _Forms(lambda rows: self._form(rows, sizes))
        self._of_sizes.move_to_end(sizes)
        forms.called = self._calls
        return forms

    def _run(self, form: Form, inputs: Arrays, filled: int) -> dict[str, NDArray[Any]]:
        return {name: value[:filled] for name, value in zip(self._outputs, form(inputs), strict=True)}

    def _compile(self, forms: _Forms, rows: int) -> None:
        try:
            made = forms.make(rows)
        except Exception:  # noqa: BLE001 - calls make do with the forms there are
            _log.warning("a form of %d rows is done without", rows, exc_info=True)
            return
        with self._lock:
            if not self._closed:
                forms.ready[rows] = made

    def rest(self) -> None:
        """Let go of all forms but the first of the sizes last asked for; they come again when calls ask for them."""
        with self._lock:
            for sizes in list(self._of_sizes)[:-1]:
                del self._of_sizes[sizes]
            for forms in self._of_sizes.values():
                forms.rest()
            self._of_any.ready.clear()

    def close(self) -> None:
        """Compile no more forms."""
        with self._lock:
            self._closed = True
        self._compiling.shutdown(wait=False, cancel_futures=True)


class _Forms:
    """The forms of a network for inputs of the same sizes, and how often each was asked for."""

    def __init__(self, make: Callable[[int], Form]) -> None:
        self.make = make
        self.ready: dict[int, Form] = {}
        self.called = 0
        self._first = 0
        self._asked: Counter[int] = Counter()

    def ask_for(self, rows: int) -> bool:
        """Compile the first form at once; whether another has now been asked for often enough."""
        if not self.ready:
            self.ready[rows] = self.make(rows)
            self._first = rows
        if rows in self.ready:
            return False
        self._asked[rows] += 1
        return self._asked[rows] == _ASKED_OFTEN

    def rest(self) -> None:
        self.ready = {rows: form for rows, form in self.ready.items() if rows == self._first}
        self._asked.clear()


def _axes(free: Mapping[str, Sequence[int]]) -> list[tuple[str, int]]:
    """Input and axis of each size that may vary, in one order."""
    return [(name, axis) for name, axes in free.items() for axis in axes]


def parts(rows: int, forms: Collection[int]) -> list[tuple[int, int]]:
    """Take a number of rows apart into (form, rows filled): whole forms, largest first, the last perhaps padded."""
    found: list[tuple[int, int]] = []
    for form in sorted(forms, reverse=True):
        found += [(form, form)] * (rows // form)
        rows %= form
    return [*found, (min(forms), rows)] if rows else found


def _rows(value: NDArray[Any], first: int, filled: int, form: int) -> NDArray[Any]:
    """Rows `first` to `first + filled`, and the last of them again until there are `form`."""
    part = np.ascontiguousarray(value[first : first + filled])
    return part if filled == form else np.concatenate([part, np.repeat(part[-1:], form - filled, axis=0)])


def _precision(model: Model) -> str:
    """Give the precision hint: bf16 where the manifest does not insist on float32 and the CPU has it."""
    if model.manifest.precision == "float32":
        return "f32"
    if has_bfloat16():
        return "bf16"
    _log.info("model '%s' runs in float32: this processor has no bfloat16 arithmetic", model.name)
    return "f32"


def _gist(error: Exception) -> str:
    """Give the telling line of a runtime's message: the last that is not empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
