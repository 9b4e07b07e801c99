"""The torch backend on a CPU: operators against ONNX's own reference, graphs against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from onnx.reference import ReferenceEvaluator

from limner.engine.backends import DeviceLost
from limner.engine.backends.onnxruntime import OnnxRuntime
from limner.engine.backends.torch import Torch, forms, network
from limner.engine.backends.torch.graph import ATTENTION, TorchGraph
from limner.engine.backends.torch.network import _weights
from limner.engine.variants import FEATURES, attentive, full, shallow
from limner.errors import LimnerError, Unavailable
from limner.registry.models import Model, open_model

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 6, 5)).astype(np.float32)
I64 = np.int64


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, NDArray[Any]],
    fixed: dict[str, NDArray[Any]],
    outputs: int = 1,
) -> onnx.ModelProto:
    """A graph of these nodes, whose outputs are y0, y1, ..."""
    ports = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), ["B", *value.shape[1:]]
        )
        for name, value in inputs.items()
    ]
    made = [helper.make_tensor_value_info(f"y{k}", TensorProto.UNDEFINED, None) for k in range(outputs)]
    graph = helper.make_graph(
        nodes, "g", ports, made, [numpy_helper.from_array(v, k) for k, v in fixed.items()]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _run(
    model: onnx.ModelProto, inputs: dict[str, NDArray[Any]], dtype: torch.dtype = torch.float32
) -> list[Any]:
    graph = TorchGraph(model, {}, CPU, dtype)
    found = graph({name: torch.from_numpy(value) for name, value in inputs.items()})
    return [value.numpy() for value in found.values()]


def _i(*values: int) -> NDArray[Any]:
    return np.array(values, I64)


OPERATORS: list[tuple[str, dict[str, Any], list[NDArray[Any]]]] = [
    ("Add", {}, [X[0, 0, 0]]), ("Sub", {}, [X[0, 0, 0]]), ("Mul", {}, [X[:1]]),
    ("Div", {}, [np.array([2.5], np.float32)]),
    ("Pow", {}, [np.array(2, np.float32)]), ("Max", {}, [X[0]]), ("Min", {}, [X[0]]), ("Sigmoid", {}, []),
    ("Tanh", {}, []), ("Erf", {}, []), ("Relu", {}, []), ("LeakyRelu", {"alpha": 0.2}, []), ("Exp", {}, []),
    ("Sin", {}, []), ("Cos", {}, []), ("Abs", {}, []), ("Neg", {}, []), ("Floor", {}, []), ("Identity", {}, []),
    ("Softmax", {"axis": 1}, []), ("Cast", {"to": TensorProto.INT32}, []), ("Shape", {"start": 1, "end": -1}, []),
    ("Reshape", {}, [_i(0, -1, 5)]), ("Reshape", {}, [_i(2, 90)]), ("Transpose", {"perm": [0, 2, 3, 1]}, []),
    ("Transpose", {}, []), ("Unsqueeze", {}, [_i(1, -1)]), ("Expand", {}, [_i(2, 1, 3, 6, 5)]),
    ("Slice", {}, [_i(1, 0), _i(9, -1), _i(2, 3), _i(2, 1)]), ("Gather", {"axis": 2}, [_i(3, 0, -1)]),
    ("Gather", {"axis": 1}, [np.array(1, I64)]), ("Pad", {}, [_i(0, 0, 1, 2, 0, 0, 0, 1)]),
    ("ReduceMean", {"keepdims": 0}, [_i(2, 3)]), ("ReduceSum", {}, [_i(1)]), ("ReduceMax", {}, [_i(-1)]),
    ("ReduceL2", {}, [_i(1, 2)]), ("ReduceSum", {"noop_with_empty_axes": 1}, []), ("ReduceMean", {"keepdims": 1}, []),
    ("InstanceNormalization", {"epsilon": 1e-3}, [RNG.standard_normal(3).astype(np.float32)] * 2),
    ("LayerNormalization", {"axis": -1, "epsilon": 1e-3}, [RNG.standard_normal(5).astype(np.float32)] * 2),
    ("Conv", {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}, [RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)]),
    ("Conv", {"pads": [0, 0, 1, 1], "strides": [2, 2]}, [RNG.standard_normal((4, 3, 3, 3)).astype(np.float32),
                                                        RNG.standard_normal(4).astype(np.float32)]),
    ("Conv", {"group": 3, "dilations": [2, 2]}, [RNG.standard_normal((3, 1, 2, 2)).astype(np.float32)]),
    ("MatMul", {}, [RNG.standard_normal((5, 7)).astype(np.float32)]),
    ("Einsum", {"equation": "bchw,cd->bdhw"}, [RNG.standard_normal((3, 2)).astype(np.float32)]),
    ("Resize", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     [np.empty(0, np.float32), np.array([1, 1, 2, 2], np.float32)]),
    ("Resize", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     [np.empty(0, np.float32), np.empty(0, np.float32), _i(2, 3, 12, 10)]),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}, []), ("GlobalAveragePool", {}, []),
    ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "attributes", "others"), OPERATORS, ids=[f"{k}-{o[0]}" for k, o in enumerate(OPERATORS)]
)
def test_operators_give_what_onnx_says(
    operator: str, attributes: dict[str, Any], others: list[NDArray[Any]]
) -> None:
    fixed = {f"c{k}": value for k, value in enumerate(others) if value.size or value.ndim == 0}
    names = [name if name in fixed else "" for name in (f"c{k}" for k in range(len(others)))]
    model = _model([helper.make_node(operator, ["x", *names], ["y0"], **attributes)], {"x": X}, fixed)
    (made,) = _run(model, {"x": X})
    found: Any = ReferenceEvaluator(model).run(None, {"x": X})
    (true,) = found
    assert made.shape == true.shape
    np.testing.assert_allclose(made, true, rtol=2e-5, atol=2e-5)


def test_gemm_takes_its_factors() -> None:
    x, w, c = (
        X[0, 0],
        RNG.standard_normal((4, 5)).astype(np.float32),
        RNG.standard_normal(4).astype(np.float32),
    )
    model = _model(
        [helper.make_node("Gemm", ["x", "w", "c"], ["y0"], alpha=0.5, beta=2.0, transB=1)],
        {"x": x},
        {"w": w, "c": c},
    )
    np.testing.assert_allclose(_run(model, {"x": x})[0], 0.5 * x @ w.T + 2 * c, rtol=1e-5, atol=1e-5)


def test_shapes_stay_off_the_device() -> None:
    """A reshape by what was computed of the input's own shape, as exporters write it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["rows"], axis=0),
        helper.make_node("Mul", ["rows", "three"], ["many"]),
        helper.make_node("Concat", ["many", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["y0"]),
    ]
    model = _model(nodes, {"x": X}, {"zero": _i(0), "three": _i(3), "rest": _i(-1)})
    for rows in (1, 2):
        assert _run(model, {"x": X[:rows]})[0].shape == (3 * rows, 30)


def test_an_operator_that_is_not_known_is_named() -> None:
    model = _model([helper.make_node("Celu", ["x"], ["y0"])], {"x": X}, {})
    with pytest.raises(LimnerError, match="no torch form of Celu"):
        TorchGraph(model, {}, CPU, torch.float32)


def _attention(guard: bool, told: bool) -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("Add", ["scores", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"], axis=-1),
    ]
    if guard:
        nodes += [
            helper.make_node("IsNaN", ["shares"], ["none"]),
            helper.make_node("Where", ["none", "zero", "shares"], ["safe"]),
        ]
    nodes.append(helper.make_node("MatMul", ["safe" if guard else "shares", "v"], ["y0"]))
    if told:
        nodes.append(helper.make_node("Identity", ["shares"], ["y1"]))
    shape = {"q": (2, 2, 4, 8), "k": (2, 2, 8, 6), "v": (2, 2, 6, 8)}
    inputs = {name: np.zeros(size, np.float32) for name, size in shape.items()}
    mask = np.zeros((4, 6), np.float32)
    mask[0, 3:] = -np.inf
    if guard:
        mask[1] = -np.inf
    return _model(nodes, inputs, {"mask": mask, "zero": np.array(0, np.float32)}, 1 + told)


def _random(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    found = {}
    for port in model.graph.input:
        sizes = [2, *[each.dim_value for each in port.type.tensor_type.shape.dim][1:]]
        found[port.name] = RNG.standard_normal(sizes).astype(np.float32)
    return found


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_attention_is_computed_in_one_go_where_nobody_else_reads_its_shares(guard: bool, told: bool) -> None:
    model = _attention(guard, told)
    inputs = _random(model)
    graph = TorchGraph(model, {}, CPU, torch.float32)
    assert [node.operator for node, _ in graph._nodes].count(ATTENTION) == (not told)
    with np.errstate(invalid="ignore"):
        true = ReferenceEvaluator(model).run(None, inputs)
    made = _run(model, inputs)
    for one, other in zip(made, true, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_bfloat16_products_stay_near() -> None:
    model = _attention(False, False)
    inputs = _random(model)
    made, true = _run(model, inputs, torch.bfloat16)[0], _run(model, inputs)[0]
    assert made.dtype == np.float32
    assert np.abs(made - true).max() < 0.03 * np.abs(true).max()


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return open_model(tiny_model)


def _inputs(model: Model, graph: str, rows: int) -> dict[str, NDArray[Any]]:
    rng, found = np.random.default_rng(rows), {}
    for port in model.manifest.graphs[graph].inputs:
        shape = [rows, *[size if isinstance(size, int) else 8 for size in port.shape[1:]]]
        if port.dtype == "int64":
            found[port.name] = rng.integers(0, 90, shape)
        else:
            found[port.name] = rng.standard_normal(shape).astype(np.float32)
    if "timestep" in found:
        found["timestep"] = np.linspace(1, 990, rows, dtype=np.float32)
    return found


@pytest.mark.parametrize("rows", [1, 3])
def test_every_graph_of_a_model_is_what_onnx_runtime_computes(model: Model, rows: int) -> None:
    for graph in model.manifest.graphs:
        inputs = _inputs(model, graph, rows)
        made, true = (each.load(model, graph)(inputs) for each in (Torch(), OnnxRuntime(1)))
        assert made.keys() == true.keys()
        for name, value in true.items():
            assert made[name].dtype == value.dtype and made[name].shape == value.shape
            np.testing.assert_allclose(made[name], value, rtol=1e-3, atol=1e-4 * np.abs(value).max())


def test_variants_are_made_of_the_same_graph(model: Model) -> None:
    inputs = _inputs(model, "unet", 2)
    plain = Torch().load(model, "unet")(inputs)["out_sample"]
    whole = Torch().load(model, full("unet"))(inputs)
    np.testing.assert_allclose(whole["out_sample"], plain, rtol=1e-4, atol=1e-5)
    again = Torch().load(model, shallow("unet"))(inputs | {FEATURES: whole[FEATURES]})
    np.testing.assert_allclose(again["out_sample"], plain, rtol=1e-4, atol=1e-5)
    told, true = (each.load(model, attentive("unet"))(inputs) for each in (Torch(), OnnxRuntime(1)))
    for name, value in true.items():
        np.testing.assert_allclose(told[name], value, rtol=1e-3, atol=1e-4)


def test_a_form_that_does_not_fit_is_done_in_smaller_ones(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the GPU has room for two rows, five are drawn in three calls, and nothing is lost."""
    asked: list[int] = []
    made = forms.Form.__call__

    def small(form: forms.Form, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        rows = len(next(iter(inputs.values())))
        asked.append(rows)
        if rows > 2:
            raise torch.OutOfMemoryError("no room")
        return made(form, inputs)

    inputs = _inputs(model, "unet", 5)
    true = Torch().load(model, "unet")(inputs)["out_sample"]
    monkeypatch.setattr(forms.Form, "__call__", small)
    network = Torch().load(model, "unet")
    np.testing.assert_allclose(network(inputs)["out_sample"], true, rtol=1e-4, atol=1e-5)
    assert asked == [8, 4, 2, 2, 1]
    network(inputs)
    assert asked[5:] == [2, 2, 1]  # it is remembered


def test_one_picture_that_does_not_fit_is_said(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(form: forms.Form, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(forms.Form, "__call__", never)
    with pytest.raises(Unavailable, match="more memory than the GPU has free"):
        Torch().load(model, "unet")(_inputs(model, "unet", 1))


@pytest.mark.parametrize("when", ["a form runs", "there was no memory", "a graph is read"])
def test_a_gpu_that_fails_is_told_from_inputs_that_do_not_fit(
    when: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*asked: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    def full(*asked: object) -> None:
        raise torch.OutOfMemoryError("no room")

    if when == "a graph is read":
        monkeypatch.setattr(network, "TorchGraph", fails)
    else:
        monkeypatch.setattr(forms.Form, "__call__", fails if when == "a form runs" else full)
        monkeypatch.setattr(torch.cuda, "empty_cache", fails)
    with pytest.raises(DeviceLost, match=r"graph 'unet' of model 'tiny'.*illegal memory access"):
        Torch().load(model, "unet")(_inputs(model, "unet", 1))


def test_without_a_gpu_one_is_not_to_be_had() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(Unavailable, match="--device cpu"):
        Torch("cuda")


def test_weights_in_bfloat16_are_read_as_they_are(tmp_path: Path) -> None:
    values = RNG.standard_normal((3, 4)).astype(np.float32)
    tensor = numpy_helper.from_array(values.astype(ml_dtypes.bfloat16), "weight")
    (tmp_path / "weights").write_bytes(b"head" + tensor.raw_data)
    set_external_data(tensor, "weights", offset=4, length=len(tensor.raw_data))
    tensor.ClearField("raw_data")
    proto = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    read = _weights(tmp_path / "graph.onnx", proto)["weight"]
    assert read.dtype == torch.bfloat16
    assert torch.equal(read, torch.from_numpy(values).bfloat16())
