from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from limner.engine.backends import backend
from limner.engine.backends.onnxruntime import OnnxRuntimeNetwork
from limner.engine.backends.openvino import (
    _IN_TURN,
    FORMS,
    OpenVino,
    OpenVinoNetwork,
    parts,
)
from limner.errors import LimnerError, NotFound, Unavailable
from limner.registry.manifest import Graph, Lineage, Manifest, Preview, Size, Tensor
from limner.registry.models import Model, open_model

BACKENDS = ["openvino", "onnxruntime", "torch"]
Floats = NDArray[np.float32]


def make_model(directory: Path, precision: str = "float32", scale: float = 1.0) -> Model:
    """A model whose one graph is relu(x @ W) and its sum, W in a file beside the graph."""
    weight = (np.random.default_rng(0).standard_normal((40, 30)) * scale).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Relu", ["product"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["total"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 40])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 30]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["B", 1]),
        ],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    directory.mkdir(exist_ok=True)
    onnx.save(
        model, directory / "small.onnx", save_as_external_data=True, location="weights", size_threshold=100
    )
    Manifest.model_validate(
        {
            "name": "small",
            "version": "1",
            "title": "Small",
            "description": "One product.",
            "family": "diffusion",
            "precision": precision,
            "graphs": {
                "unet": Graph(
                    path="small.onnx",
                    inputs=(Tensor(name="x", dtype="float32", shape=("B", 40)),),
                    outputs=(
                        Tensor(name="y", dtype="float32", shape=("B", 30)),
                        Tensor(name="total", dtype="float32", shape=("B", 1)),
                    ),
                    parameters=1200,
                )
            },
            "sizes": (Size(width=8, height=8),),
            "preview": Preview(matrix=((1.0, 0.0, 0.0),), bias=(0.0, 0.0, 0.0)),
            "licence": "Apache-2.0",
            "lineage": Lineage(
                data="none",
                data_hash="0",
                recipe="none",
                commit="0",
                hardware="none",
                hours=0,
                examples=0,
            ),
        }
    ).write(directory)
    return open_model(directory)


def expected(x: Floats, scale: float = 1.0) -> Floats:
    weight = np.random.default_rng(0).standard_normal((40, 30)) * scale
    return np.maximum(x @ weight, 0).astype(np.float32)


def rows(count: int) -> Floats:
    return np.random.default_rng(count).standard_normal((count, 40), dtype=np.float32)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_graph_runs_on_any_number_of_rows(name: str, tmp_path: Path) -> None:
    network = backend(name, threads=1).load(make_model(tmp_path / "m"), "unet")
    for count in (1, 5, 2, 16):
        outputs = network({"x": rows(count)})
        assert list(outputs) == ["y", "total"]
        np.testing.assert_allclose(outputs["y"], expected(rows(count)), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            outputs["total"], expected(rows(count)).sum(1, keepdims=True), rtol=1e-4, atol=1e-3
        )


@given(st.integers(1, 50), st.sets(st.sampled_from((*FORMS, 3, 16)), min_size=1))
def test_parts_hold_every_row_once_and_pad_at_most_one(count: int, forms: set[int]) -> None:
    found = parts(count, forms)
    assert sum(filled for _, filled in found) == count
    assert all(form in forms and filled == form for form, filled in found[:-1])
    form, filled = found[-1]
    assert form in forms and 0 < filled <= form and (filled == form or form == min(forms))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_forms_that_come_later_change_nothing(tmp_path: Path, precision: str) -> None:
    """What calls ask for often is compiled in the background; a row is the same by every form.

    Processors with tiles for bfloat16 (AMX) add its products up in an order that depends on the form, so that sums of
    40 of them differ by what adding in float32 may lose, and by no more.
    """

    def same(found: Floats, made: Floats) -> None:
        if precision == "float32":
            assert np.array_equal(found, made)
        sizes = np.abs(rows(len(made))) @ np.abs(np.random.default_rng(0).standard_normal((40, 30)))
        assert (np.abs(found - made) <= 40 * 2**-23 * sizes).all()

    network = OpenVino(threads=1).load(make_model(tmp_path / "m", precision), "unet")
    assert isinstance(network, OpenVinoNetwork) and not network._forms(()).ready
    before = {count: network({"x": rows(count)})["y"] for count in (2, 1, 7, 16)}
    assert set(network._forms(()).ready) == {2}
    _ask_often(network)
    assert set(network._forms(()).ready) == set(FORMS)
    for count, made in before.items():
        same(network({"x": rows(count)})["y"], made)
    network.rest()
    assert set(network._forms(()).ready) == {2}
    same(network({"x": rows(7)})["y"], before[7])
    network.close()
    _ask_often(network, patience=0.2)
    assert set(network._forms(()).ready) == {2}


def _ask_often(network: OpenVinoNetwork, patience: float = 60) -> None:
    for count in (1, 7, 16):
        for _ in range(40):
            network({"x": rows(count)})
    deadline = time.monotonic() + patience
    while len(network._forms(()).ready) < len(FORMS) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_sizes_asked_for_in_turn_share_forms_and_are_not_compiled_at_every_call(tmp_path: Path) -> None:
    """Two sizes have forms of their own, a third in turn with them that for any size; alone it gets its own in time."""
    model = make_model(tmp_path / "m")
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "any size",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", "N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", "N"])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
        model.graph_file("unet"),
    )
    network = OpenVino(threads=1).load(model, "unet")
    assert isinstance(network, OpenVinoNetwork)
    values = np.random.default_rng(0).standard_normal((3, 9)).astype(np.float32)
    for _ in range(3):
        for size in (5, 7, 9):
            part = np.ascontiguousarray(values[:, :size])
            assert np.array_equal(network({"x": part})["y"], np.maximum(part, 0))
    assert set(network._of_sizes) == {(5,), (7,)} and network._of_any.ready
    for _ in range(_IN_TURN):
        network({"x": values})
    assert set(network._of_sizes) == {(7,), (9,)}
    network.rest()
    assert set(network._of_sizes) == {(9,)} and not network._of_any.ready
    network.close()


def test_forms_are_of_the_weights_that_were_there_at_first(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m")
    network = OpenVino(threads=1).load(model, "unet")
    assert isinstance(network, OpenVinoNetwork)
    before = network({"x": rows(8)})["y"]
    os.replace(make_model(tmp_path / "n", scale=2.0).path / "weights", tmp_path / "m" / "weights")
    assert set(network._forms(()).ready) == {8}
    for _ in range(40):
        network({"x": rows(2)})
    deadline = time.monotonic() + 60
    while 2 not in network._forms(()).ready and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 2 in network._forms(()).ready
    np.testing.assert_allclose(network({"x": rows(8)[:2]})["y"], before[:2], rtol=1e-5, atol=1e-5)


def test_compiled_forms_of_a_graph_that_is_gone_go_too(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("m", "n"):
        network = backend("openvino", threads=1, cache=cache).load(make_model(tmp_path / name), "unet")
        network({"x": rows(2)})
    assert len(list(cache.rglob("*.blob"))) == 2
    shutil.rmtree(tmp_path / "m")
    backend("openvino", threads=1, cache=cache).load(make_model(tmp_path / "n"), "unet")({"x": rows(2)})
    assert len(list(cache.rglob("*.blob"))) == 1


@pytest.mark.parametrize("name", BACKENDS)
def test_outputs_outlive_the_next_call(name: str, tmp_path: Path) -> None:
    network = backend(name, threads=1).load(make_model(tmp_path / "m"), "unet")
    first = network({"x": rows(3)})["y"]
    kept = first.copy()
    network({"x": -rows(3)})
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("name", BACKENDS)
def test_inputs_may_be_views(name: str, tmp_path: Path) -> None:
    network = backend(name, threads=1).load(make_model(tmp_path / "m"), "unet")
    wide = np.repeat(rows(4), 2, axis=1)
    view = wide[::2, ::2]
    np.testing.assert_allclose(network({"x": view})["y"], expected(view), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BACKENDS)
def test_inputs_that_do_not_fit_are_named(name: str, tmp_path: Path) -> None:
    network = backend(name, threads=1).load(make_model(tmp_path / "m"), "unet")
    with pytest.raises(LimnerError, match=r"graph 'unet' of model 'small' cannot take x \[2, 7\]"):
        network({"x": np.zeros((2, 7), np.float32)})
    with pytest.raises(LimnerError, match="cannot take z"):
        network({"z": rows(1)})
    np.testing.assert_allclose(network({"x": rows(1)})["y"], expected(rows(1)), rtol=1e-4, atol=1e-4)


class SmallSession:
    """Of ONNX Runtime, on a device whose memory takes `most` rows."""

    def __init__(self, most: int) -> None:
        self.most, self.asked = most, list[int]()

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="y")]

    def run(self, outputs: list[str], inputs: dict[str, Floats]) -> list[Floats]:
        self.asked.append(len(inputs["x"]))
        if self.asked[-1] > self.most:
            raise RuntimeError("Failed to allocate memory for requested buffer")
        return [2 * inputs["x"]]


def test_onnxruntime_gets_fewer_rows_where_many_do_not_fit_into_memory() -> None:
    session, x = SmallSession(3), rows(11)
    network = OnnxRuntimeNetwork("graph", cast(Any, session))
    np.testing.assert_array_equal(network({"x": x})["y"], 2 * x)
    assert session.asked == [11, 5, 2, 2, 2, 2, 2, 1]
    session.asked.clear()
    np.testing.assert_array_equal(network({"x": x})["y"], 2 * x)
    assert session.asked == [2, 2, 2, 2, 2, 1]
    session.most = 0  # what fails with one row, too, says nothing of how many there may be
    other = OnnxRuntimeNetwork("graph", cast(Any, session))
    with pytest.raises(LimnerError, match=r"graph cannot take x \[4, 40\]"):
        other({"x": rows(4)})
    session.most = 4
    session.asked.clear()
    other({"x": rows(4)})
    assert session.asked == [4]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_damaged_graph_and_an_unknown_one_are_named(name: str, tmp_path: Path) -> None:
    model = make_model(tmp_path / "m")
    with pytest.raises(NotFound, match="it has: unet"):
        backend(name).load(model, "vae_decoder")
    (tmp_path / "m" / "small.onnx").write_bytes(b"not a graph")
    with pytest.raises(LimnerError, match="graph 'unet' of model 'small'"):
        backend(name).load(model, "unet")


def test_new_weights_beside_the_same_graph_are_not_taken_from_the_cache(tmp_path: Path) -> None:
    cache, folder = tmp_path / "cache", tmp_path / "m"
    model = make_model(folder)
    graph = (folder / "small.onnx").stat()
    for _ in range(2):
        network = backend("openvino", threads=1, cache=cache).load(model, "unet")
        np.testing.assert_allclose(network({"x": rows(2)})["y"], expected(rows(2)), rtol=1e-4, atol=1e-4)
    assert len(list(cache.rglob("*.blob"))) == 1
    make_model(folder, scale=2.0)
    os.utime(folder / "small.onnx", ns=(graph.st_atime_ns, graph.st_mtime_ns))
    network = backend("openvino", threads=1, cache=cache).load(model, "unet")
    np.testing.assert_allclose(network({"x": rows(2)})["y"], expected(rows(2), 2.0), rtol=1e-4, atol=1e-4)
    assert len(list(cache.rglob("*.blob"))) == 1


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder", encoding="utf-8")
    network = backend("openvino", threads=1, cache=tmp_path / "cache").load(
        make_model(tmp_path / "m"), "unet"
    )
    assert network({"x": rows(1)})["y"].shape == (1, 30)


def test_a_bfloat16_model_stays_near_float32(tmp_path: Path) -> None:
    exact = expected(rows(8))
    got = OpenVino(threads=1).load(make_model(tmp_path / "m", "bfloat16"), "unet")({"x": rows(8)})["y"]
    assert got.dtype == np.float32
    assert np.abs(got - exact).max() < 0.02 * np.abs(exact).max()


def test_backends_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend().name == "openvino"
    with pytest.raises(NotFound, match="openvino, onnxruntime"):
        backend("cuda")
    monkeypatch.setattr("limner.engine.backends.choosing._installed", lambda name: name == "openvino")
    with pytest.raises(Unavailable, match="pip install onnxruntime"):
        backend("onnxruntime")
