"""Ranges of activations by NNCF, as the table that the engine rounds a network by."""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.backends.int8 import Range, Table, weight_of
from ..errors import Unavailable
from .calibration import Inputs

if TYPE_CHECKING:
    import openvino

_RUNTIME = "openvino"


def need_nncf() -> Any:
    """NNCF; Unavailable where it is not installed."""
    # It reports every use to its makers, except where it is told that nobody uses it.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        return importlib.import_module("nncf")
    except ModuleNotFoundError:
        raise Unavailable(
            "choosing 8-bit ranges needs nncf; in a clone of Limner: pip install -e '.[optimize]' -c constraints.txt"
        ) from None


def table_for(graph: Path, samples: Sequence[Inputs]) -> Table:
    """Choose which layers of an ONNX graph are rounded and between which values, from inputs that it had.

    All samples have the same shapes. Unavailable without NNCF.
    """
    nncf = need_nncf()
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    network = openvino.Core().read_model(graph)
    network.reshape({name: list(value.shape) for name, value in samples[0].items()})
    rounded = nncf.quantize(
        network,
        nncf.Dataset(list(samples)),
        subset_size=len(samples),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        # What the table cannot say: moved scales and biases.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            disable_bias_correction=True,
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1),
        ),
    )
    known = {layer.get_friendly_name() for layer in network.get_ops()}
    layers = list(rounded.get_ops())
    return Table(
        runtime=f"{_RUNTIME} {openvino.__version__.partition('-')[0]}",
        activations=tuple(_ranges(layers)),
        weights=tuple(
            layer.get_friendly_name()
            for layer in layers
            if layer.get_friendly_name() in known and _is_rounded(layer)
        ),
    )


def _ranges(layers: Sequence[openvino.Node]) -> Iterator[Range]:
    for layer in layers:
        if layer.get_type_name() != "FakeQuantize":
            continue
        low, high = (float(_constant(layer, port).item()) for port in (1, 2))
        readers = [
            (port.get_node().get_friendly_name(), port.get_index())
            for port in layer.output(0).get_target_inputs()
            if port.get_node().get_type_name() != "ShapeOf"
        ]
        source = layer.input_value(0).get_node().get_friendly_name()
        yield Range(source=source, readers=tuple(sorted(readers)), low=low, high=high)


def _constant(layer: openvino.Node, port: int) -> Any:
    return np.asarray(layer.input_value(port).get_node().data)


def _is_rounded(layer: openvino.Node) -> bool:
    """Whether NNCF has rounded the weights that a layer reads at its input 1."""
    if layer.get_type_name() not in ("Convolution", "MatMul"):
        return False
    node = layer.input_value(1).get_node()
    while node.get_type_name() in ("Convert", "Multiply", "Transpose", "Reshape", "Identity"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant" and node.get_element_type().to_string() == "i8")


def without_the_finest(graph: Path, table: Table) -> Table:
    """The table without the layers of the finest level, where latents come in and go out as they are.

    Their rounding shows most, as blotches in plain parts of a picture. Layers are known by their weights' names.
    """
    import openvino

    layers = {layer.get_friendly_name(): layer for layer in openvino.Core().read_model(graph).get_ops()}
    names = {name: weight_of(layers[name])[0].get_friendly_name() for name in table.weights}
    levels = [int(found[1]) for name in names.values() if (found := re.match(r"up_blocks\.(\d+)\.", name))]
    finest = ("conv_in.", "conv_out.", "down_blocks.0.", f"up_blocks.{max(levels, default=0)}.")
    return table.without({layer for layer, weight in names.items() if weight.startswith(finest)})
