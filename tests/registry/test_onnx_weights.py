from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from limner.errors import InvalidInput
from limner.registry.onnx_weights import bind, strip
from limner.registry.weight_files import read_index

WEIGHT = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def graph(weight: np.ndarray = WEIGHT) -> onnx.ModelProto:
    """y = x @ weight + 1, with the weight called net.linear and a constant that is in no file."""
    node = helper.make_node("MatMul", ["x", "net.linear"], ["z"], doc_string="said by an exporter")
    model = helper.make_model(
        helper.make_graph(
            [node, helper.make_node("Add", ["z", "one"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 3])],
            [
                numpy_helper.from_array(weight, "net.linear"),
                numpy_helper.from_array(np.ones(3, np.float32), "one"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
        producer_name="somebody",
    )
    model.metadata_props.add(key="where", value="/home/somebody")
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_a_bound_graph_reads_the_file(tmp_path: Path, dtype: Any) -> None:
    stored: np.ndarray[Any, Any] = WEIGHT.astype(dtype)
    odd: np.ndarray[Any, Any] = np.arange(5).astype(
        dtype
    )  # puts the weight at an offset that is not a multiple of 4
    save_file({"a": odd, "linear": stored}, tmp_path / "weights.safetensors")
    model = graph(np.zeros_like(WEIGHT))
    bind(model, tmp_path / "weights.safetensors", prefix="net.")
    onnx.save_model(model, tmp_path / "model.onnx")
    onnx.checker.check_model(tmp_path / "model.onnx")

    x = np.random.default_rng(1).standard_normal((2, 4)).astype(np.float32)
    expected = x @ stored.astype(np.float32) + 1
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-5, atol=1e-6)
    compiled = openvino.compile_model(tmp_path / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled({"x": x})[0], expected, rtol=1e-5, atol=1e-6)


def test_strip_leaves_nothing_of_the_exporter() -> None:
    model = graph()
    strip(model)
    data = model.SerializeToString()
    assert b"somebody" not in data and b"exporter" not in data


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    save_file({"linear": np.zeros((4, 5), np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(InvalidInput, match=r"'linear' is \[4, 5\], the graph has \[4, 3\]"):
        bind(graph(), tmp_path / "w.safetensors", prefix="net.")


def test_a_number_format_that_cannot_be_bound_is_refused(tmp_path: Path) -> None:
    save_file({"linear": np.zeros((4, 3), np.int8)}, tmp_path / "w.safetensors")
    with pytest.raises(InvalidInput, match="is I8"):
        bind(graph(), tmp_path / "w.safetensors", prefix="net.")


def test_a_large_weight_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    save_file({"other": np.zeros(1, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(InvalidInput, match=r"lacks tensor 'net\.linear'"):
        bind(graph(np.zeros((4, 3000), np.float32)), tmp_path / "w.safetensors", prefix="net.")


def test_index_finds_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    tensors: dict[str, np.ndarray[Any, Any]] = {
        "a": np.arange(5, dtype=np.float16),
        "b": WEIGHT,
        "empty": np.zeros((0, 2), np.float32),
    }
    save_file(tensors, file, metadata={"format": "pt"})
    index = read_index(file)
    assert set(index) == set(tensors)
    for name, array in tensors.items():
        place = index[name]
        assert place.shape == array.shape
        assert file.read_bytes()[place.offset : place.offset + place.length] == array.tobytes()


_json = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_entry = st.fixed_dictionaries({"dtype": _json, "shape": _json, "data_offsets": _json})
_header = st.dictionaries(st.text(max_size=5), _json | _entry).map(lambda value: json.dumps(value).encode())


@given(header=_header | st.binary() | st.just(b"[" * 100_000), slack=st.integers(-4, 4), body=st.binary())
def test_any_damaged_file_is_refused_or_stays_in_bounds(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, slack: int, body: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    file.write_bytes(max(0, len(header) + slack).to_bytes(8, "little") + header + body)
    try:
        index = read_index(file)
    except InvalidInput as error:
        assert str(file) in str(error)
    else:
        for place in index.values():
            assert place.offset >= 0 and place.offset + place.length <= file.stat().st_size


@pytest.mark.parametrize("data", [b"", b"1234567", b"\xff" * 8, b"\xff" * 64])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(InvalidInput, match="is not a safetensors file"):
        read_index(tmp_path / "w")
