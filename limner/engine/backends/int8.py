"""Eight-bit arithmetic: a network's weights and activations rounded to 256 levels as a table beside it says.

The table (`int8.json`, of a decoder `decoder.int8.json`, made by `limner optimize`) has what must be measured: between
which values the activations of each layer lie. Levels of weights follow from the weights, one scale for each output
channel, symmetric about zero (Jacob et al. 2018, "Quantization and Training of Neural Networks"). So the weights stay
what they are on the disk, and the same directory is drawn in any precision.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops
from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import InvalidInput
from .processor import sums_bytes_in_16_bits

TABLE = "int8.json"
LEVELS = 256
PASSES = ("Convert", "Transpose", "Reshape", "Identity")  # between a weight and what multiplies by it


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Part):
    """What the layer `source` gives lies in `low` to `high` where `readers` (layer, input) read it."""

    source: str
    readers: tuple[tuple[str, int], ...]
    low: float
    high: float


class Table(_Part):
    """How a network is rounded: ranges of activations, and the layers whose weights (their input 1) are rounded.

    Layers are called as `runtime` called them when it was made.
    """

    format: Literal[1] = 1
    runtime: str
    activations: tuple[Range, ...]
    weights: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Table:
        """Read a table; InvalidInput where it is broken."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise InvalidInput(f"{file} is no table of 8-bit ranges: {error.errors()[0]['msg']}") from None

    def without(self, layers: Collection[str]) -> Table:
        """The table with these layers left as they are: neither their weights nor what they read or give is rounded."""
        kept = [
            each.model_copy(
                update={"readers": tuple(reader for reader in each.readers if reader[0] not in layers)}
            )
            for each in self.activations
        ]
        return self.model_copy(
            update={
                "activations": tuple(each for each in kept if each.readers and each.source not in layers),
                "weights": tuple(name for name in self.weights if name not in layers),
            }
        )


def table_of(graph: Path) -> Path:
    """Where the table of a graph's file lies: `int8.json` for `model.onnx`, `decoder.int8.json` for `decoder.onnx`."""
    return graph.parent / (TABLE if graph.stem == "model" else f"{graph.stem}.{TABLE}")


def check(network: openvino.Model, table: Table) -> None:
    """InvalidInput where the table is of another network."""
    layers = {layer.get_friendly_name() for layer in network.get_ops()}
    meant = [
        *table.weights,
        *(name for each in table.activations for name in (each.source, *dict(each.readers))),
    ]
    if unknown := [name for name in meant if name not in layers]:
        raise InvalidInput(
            f"the table of 8-bit ranges is of another network: this one has no layer {unknown[0]!r}"
        )


def round_network(network: openvino.Model, table: Table) -> None:
    """Round the layers of a network as the table says, in place; InvalidInput where it is of another network."""
    check(network, table)
    layers = {layer.get_friendly_name(): layer for layer in network.get_ops()}
    for each in table.activations:
        given = layers[each.source].output(0)
        low, high = np.float32(each.low), np.float32(each.high)
        rounded = ops.fake_quantize(given, low, high, low, high, LEVELS).output(0)
        for name, port in each.readers:
            layers[name].input(port).replace_source_output(rounded)
    done: set[str] = set()
    for name in table.weights:
        _round_weight(layers[name], done)


def weight_of(layer: openvino.Node) -> tuple[openvino.Node, openvino.Node, bool]:
    """What a layer multiplies by, what makes single precision of it, if anything, else itself, and whether the outputs
    lie along its first axis."""
    weight = layer.input_value(1).get_node()
    widened = weight
    # What is multiplied by a matrix finds its outputs along the columns, unless the matrix is turned on the way.
    turned = layer.get_type_name() != "MatMul" or bool(layer.get_attributes()["transpose_b"])
    while weight.get_type_name() in PASSES:
        turned ^= weight.get_type_name() == "Transpose"
        widened, weight = weight, weight.input_value(0).get_node()
    # What is half precision on the disk is made single by a layer of its own.
    return weight, widened if widened.get_type_name() == "Convert" else weight, turned


def _round_weight(layer: openvino.Node, done: set[str]) -> None:
    """Put eight-bit weights, and a multiplication by their scales, in the place of those that a layer reads."""
    weight, given, turned = weight_of(layer)
    if weight.get_type_name() != "Constant" or weight.get_friendly_name() in done:
        return
    done.add(weight.get_friendly_name())
    readers = list(given.output(0).get_target_inputs())
    rounded, scales = rounded_weight(weight.get_data(dtype=np.float32), 0 if turned else -1, largest_weight())
    whole = ops.convert(ops.constant(rounded), np.float32)
    scaled = ops.multiply(whole, ops.constant(scales)).output(0)
    for reader in readers:
        reader.replace_source_output(scaled)


def largest_weight() -> int:
    """127, or half of it where the processor sums two products of bytes in 16 bits, into which 255 x 127 fits once."""
    return 63 if sums_bytes_in_16_bits() else 127


def rounded_weight(
    weight: NDArray[np.floating], axis: int, largest: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers from -largest to largest and the scale of each output channel, which lie along `axis`."""
    values = weight.astype(np.float32)
    others = tuple(each for each in range(values.ndim) if each != axis % values.ndim)
    most = np.abs(values).max(others, keepdims=True)
    scales = np.maximum(most, np.float32(1e-12)) / np.float32(largest)
    return np.rint(values / scales).astype(np.int8), scales.astype(np.float32)
