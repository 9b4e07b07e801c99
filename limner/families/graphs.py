"""From a torch network to an ONNX graph that keeps its parameters by name, and the runtimes to compare it in."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import Unavailable

TOLERANCE = 1e-3
OPSET = 18

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], list[NDArray[Any]]]
"""Named inputs to the outputs, in the graph's order."""


@dataclass(frozen=True)
class Parity:
    """How far a graph in a runtime is from torch: largest difference over largest value."""

    graph: str
    runtime: str
    error: float


def onnx_program(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    shapes: Mapping[str, Mapping[int, Any]],
) -> torch.onnx.ONNXProgram:
    """Export a network without optimisation, so that parameters keep their names; `shapes` names axes that may vary.

    Unavailable without onnxscript.
    """
    if importlib.util.find_spec("onnxscript") is None:
        raise Unavailable("exporting graphs needs the package 'onnxscript'; install the extra [train]")
    with _quiet():
        program = torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple(dict(shapes.get(name, {})) for name in inputs),
        )
    assert program is not None
    return program


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)


def runtimes() -> dict[str, Callable[[Path], Run]]:
    """How each runtime that is installed loads a graph, in float32; Unavailable where there is none."""
    found: dict[str, Callable[[Path], Run]] = {}
    if importlib.util.find_spec("openvino"):
        found["openvino"] = _openvino
    if importlib.util.find_spec("onnxruntime"):
        found["onnxruntime"] = _onnxruntime
    if not found:
        raise Unavailable("verifying graphs needs openvino or onnxruntime; install limner")
    return found


def _openvino(file: Path) -> Run:
    import openvino

    compiled = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Arrays) -> list[NDArray[Any]]:
        made = compiled(inputs)
        return [np.asarray(made[k]) for k in range(len(compiled.outputs))]

    return run


def _onnxruntime(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda inputs: [np.asarray(made) for made in session.run(None, dict(inputs))]
