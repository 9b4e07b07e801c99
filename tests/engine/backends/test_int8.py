"""Eight bits: weights and activations are rounded as the table says, and nothing else is."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from limner.engine.backends.int8 import (
    LEVELS,
    Range,
    Table,
    largest_weight,
    round_network,
    rounded_weight,
    table_of,
)
from limner.engine.backends.openvino import OpenVino
from limner.errors import InvalidInput
from limner.registry.models import Model, open_model

from .test_backends import make_model

Floats = NDArray[np.float32]
RANGE = Range(source="x", readers=(("product", 0),), low=-2.0, high=1.984375)
TABLE = Table(runtime="openvino", activations=(RANGE,), weights=("product",))


@given(
    arrays.arrays(np.float32, (3, 4, 2), elements=st.floats(-1e4, 1e4, width=32)), st.sampled_from([0, -1])
)
def test_a_weight_is_rounded_by_one_scale_a_channel(weight: Floats, axis: int) -> None:
    rounded, scales = rounded_weight(weight, axis)
    rounded, scales = np.moveaxis(rounded, axis, 0), np.moveaxis(scales, axis, 0)
    weight = np.moveaxis(weight, axis, 0)
    assert rounded.dtype == np.int8 and scales.shape == (3 if axis == 0 else 2, 1, 1)
    assert np.abs(rounded.astype(int)).max() <= 127
    assert (np.abs(rounded * scales - weight) <= scales * 0.5001).all()
    for channel, scale in zip(weight, scales, strict=True):
        most = np.abs(channel).max()
        assert scale.item() == pytest.approx(max(most, 1e-12) / 127, rel=1e-5)


def by_hand(x: Floats, weight: Floats) -> Floats:
    """Relu of the product of rounded numbers, slowly."""
    step = (RANGE.high - RANGE.low) / (LEVELS - 1)
    x = np.rint((np.clip(x, RANGE.low, RANGE.high) - RANGE.low) / step) * step + RANGE.low
    whole, scales = rounded_weight(weight, -1, largest_weight())
    return np.maximum(x @ (whole * scales), 0).astype(np.float32)


def weight_of(model: Model) -> Floats:
    graph = onnx.load(model.graph_file("unet")).graph
    found: Floats = numpy_helper.to_array(next(each for each in graph.initializer if each.name != "axes"))
    return found


def named(directory: Path, half: Any = None, turned: bool = False) -> Model:
    """A model whose product is called so; its weights are kept in the type `half`, with `turned` on their side, as
    torch keeps them."""
    model = make_model(directory, "int8")
    proto = onnx.load(model.graph_file("unet"))
    proto.graph.node[0].name = "product"
    weight, name = numpy_helper.to_array(proto.graph.initializer[0]), "weight"
    if turned:
        proto.graph.node.insert(0, helper.make_node("Transpose", ["turned"], [name], perm=[1, 0]))
        weight, name = np.ascontiguousarray(weight.T), "turned"
    if half is not None:
        proto.graph.node.insert(0, helper.make_node("Cast", ["half"], [name], to=TensorProto.FLOAT))
        weight, name = weight.astype(half), "half"
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, name))
    onnx.save(proto, model.graph_file("unet"))
    return open_model(directory)


@pytest.mark.parametrize("half", [None, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("turned", [False, True])
def test_a_network_is_rounded_as_the_table_says(tmp_path: Path, half: Any, turned: bool) -> None:
    model = named(tmp_path / "m", half, turned)
    x = np.random.default_rng(1).standard_normal((5, 40)).astype(np.float32)
    network = openvino.Core().read_model(model.graph_file("unet"))
    exact = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    round_network(network, TABLE)
    rounded = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    weight = numpy_helper.to_array(onnx.load(model.graph_file("unet")).graph.initializer[0]).astype(
        np.float32
    )
    expected = by_hand(x, weight.T if turned else weight)
    assert np.abs(rounded - expected).max() < 1e-3 * np.abs(expected).max()
    assert np.abs(rounded - exact).max() > 3e-3 * np.abs(exact).max(), "nothing was rounded"


@pytest.mark.parametrize("turned", [False, True])
def test_a_model_in_eight_bits_gives_a_row_the_same_bits_in_any_company(tmp_path: Path, turned: bool) -> None:
    model = named(tmp_path / "m", turned=turned)
    table_of(model.graph_file("unet")).write_text(TABLE.model_dump_json(), encoding="utf-8")
    network = OpenVino(threads=1).load(model, "unet")
    x = np.random.default_rng(2).standard_normal((16, 40)).astype(np.float32)
    together = network({"x": x})["y"]
    for k in (0, 7, 15):
        assert np.array_equal(network({"x": x[k : k + 1]})["y"], together[k : k + 1])
    weight = weight_of(model)
    assert np.abs(together - by_hand(x, weight.T if turned else weight)).max() < 0.02 * np.abs(together).max()
    network.close()


@pytest.mark.parametrize(
    "table",
    [
        None,
        "{",
        json.dumps({"runtime": "openvino"}),
        TABLE.model_copy(update={"weights": ("another",)}).model_dump_json(),
    ],
)
def test_without_a_table_that_fits_it_is_drawn_unrounded(
    tmp_path: Path, table: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    model = named(tmp_path / "m")
    if table is not None:
        table_of(model.graph_file("unet")).write_text(table, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        network = OpenVino(threads=1).load(model, "unet")
    x = np.random.default_rng(3).standard_normal((2, 40)).astype(np.float32)
    made: Any = network({"x": x})["y"]
    exact = np.maximum(x @ weight_of(model), 0)
    assert np.abs(made - exact).max() < 0.02 * np.abs(exact).max()
    assert ("limner optimize" in caplog.text) == (table is not None)
    network.close()


def test_a_table_of_another_network_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    network = openvino.Core().read_model(named(tmp_path / "m").graph_file("unet"))
    before = len(network.get_ops())
    with pytest.raises(InvalidInput, match="another"):
        round_network(network, TABLE.model_copy(update={"weights": ("another",)}))
    assert len(network.get_ops()) == before


def test_layers_can_be_left_as_they_are() -> None:
    shared = Range(source="x", readers=(("a", 0), ("b", 0)), low=-1, high=1)
    table = Table(runtime="openvino", activations=(shared, RANGE), weights=("a", "b", "product"))
    spared = table.without({"a", "product"})
    assert spared.weights == ("b",)
    assert [each.readers for each in spared.activations] == [(("b", 0),)]
