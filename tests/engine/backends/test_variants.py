"""Variants of a denoiser, in every backend and precision, against torch."""

from __future__ import annotations

import gzip
import shutil
import time
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from diffusers import UNet2DConditionModel

from limner.engine.backends import backend
from limner.engine.backends.int8 import Range, Table, table_of
from limner.engine.backends.openvino import OpenVino, OpenVinoNetwork
from limner.engine.backends.rewriting import places, variant_graph
from limner.engine.variants import ATTENTION, FEATURES, attentive, full, shallow, variant_of
from limner.errors import InvalidInput
from limner.families.diffusion.checkpoint.templates import TEMPLATES
from limner.registry.manifest import Precision
from limner.registry.models import BUILT_IN, Model, open_model
from tests.families.diffusion.depths import Attended, Outputs, Watched

from .test_backends import make_model

BACKENDS = ["openvino", "onnxruntime"]
FULL, SHALLOW, ATTENTIVE = full("unet"), shallow("unet"), attentive("unet")


def told(directory: Path, precision: Precision) -> Model:
    model = open_model(directory)
    return Model(model.path, model.manifest.model_copy(update={"precision": precision}), False)


def inputs_of(model: Model, rows: int, seed: int) -> Outputs:
    rng = np.random.default_rng(seed)
    ports = model.manifest.graphs["unet"].inputs
    shapes = {port.name: [int(size) for size in port.shape[1:]] for port in ports}
    made = {name: rng.standard_normal((rows, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return made | {"timestep": (rng.random(rows) * 999).astype(np.float32)}


def test_a_call_says_which_graph_it_means_and_in_which_variant() -> None:
    assert variant_of("unet") == ("unet", None)
    assert variant_of(FULL) == ("unet", "full") and variant_of(SHALLOW) == ("unet", "shallow")
    assert variant_of(ATTENTIVE) == ("unet", "attentive")
    assert variant_of("unet/other") == ("unet/other", None)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("which", ["tiny", "storybook"])
def test_both_depths_are_those_of_torch_with_an_earlier_steps_features(
    tiny_model: Path, which: str, name: str
) -> None:
    model = told(tiny_model if which == "tiny" else BUILT_IN / "storybook", "float32")
    unet = Watched(UNet2DConditionModel.from_pretrained(model.path / "unet").float().eval())
    runs = backend(name, threads=1)
    whole, part = runs.load(model, FULL), runs.load(model, SHALLOW)
    earlier, later = inputs_of(model, 2, seed=0), inputs_of(model, 2, seed=1)

    found, expected = whole(earlier), unet(earlier)
    assert set(found) == {"out_sample", FEATURES}
    for output, values in expected.items():
        np.testing.assert_allclose(found[output], values, rtol=1e-3, atol=1e-4)
    reused = part(later | {FEATURES: found[FEATURES]})
    assert set(reused) == {"out_sample"}
    theirs = unet(later | {FEATURES: expected[FEATURES]})["out_sample"]
    np.testing.assert_allclose(reused["out_sample"], theirs, rtol=1e-3, atol=1e-4)
    assert np.abs(theirs - unet(later)["out_sample"]).max() > 1e-2, "the features must matter"


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(("which", "sides"), [("tiny", 8), ("storybook", 8)])
def test_the_attention_that_is_told_is_torchs_mean_over_heads_and_layers_of_a_level(
    tiny_model: Path, which: str, sides: int, name: str
) -> None:
    model = told(tiny_model if which == "tiny" else BUILT_IN / "storybook", "float32")
    unet = Attended(UNet2DConditionModel.from_pretrained(model.path / "unet").float().eval())
    asked = inputs_of(model, 2, seed=7)
    found = backend(name, threads=1).load(model, ATTENTIVE)(asked)
    assert set(found) == {"out_sample", FEATURES, ATTENTION}
    out, by_places = unet(asked)
    np.testing.assert_allclose(found["out_sample"], out, rtol=1e-3, atol=1e-4)
    assert found[ATTENTION].shape[1] == sides * sides
    np.testing.assert_allclose(found[ATTENTION], by_places[sides * sides], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found[ATTENTION].sum(-1), 1, rtol=1e-4)


def rounded(tiny_model: Path, directory: Path) -> Model:
    """The tiny model with all convolutions' weights rounded, and what is read where it is cut."""
    model = told(shutil.copytree(tiny_model, directory), "int8")
    file = model.graph_file("unet")
    layers = openvino.Core().read_model(file).get_ops()
    source = next(each for each in layers for port in each.outputs() if places(file, "full")[0] in port.names)
    reader = next(iter(source.output(0).get_target_inputs()))
    convolutions = [each.get_friendly_name() for each in layers if each.get_type_name() == "Convolution"]
    read = (reader.get_node().get_friendly_name(), reader.get_index())
    here = Range(source=source.get_friendly_name(), readers=(read,), low=-1.0, high=0.9921875)
    table = Table(runtime="openvino", activations=(here,), weights=tuple(convolutions))
    table_of(file).write_text(table.model_dump_json(), encoding="utf-8")
    return model


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_rows_bits_are_the_same_in_every_number_of_rows(
    tiny_model: Path, tmp_path: Path, precision: Precision
) -> None:
    model = told(tiny_model, precision) if precision == "bfloat16" else rounded(tiny_model, tmp_path / "int8")
    runs = OpenVino(threads=1)
    whole, part = runs.load(model, FULL), runs.load(model, SHALLOW)
    asked = inputs_of(model, 8, seed=2)
    together = whole(asked)
    reused = part(asked | {FEATURES: together[FEATURES]})["out_sample"]
    alone, deep = runs.load(model, SHALLOW), runs.load(model, FULL)
    for row in (0, 5):
        one = {name: values[row : row + 1] for name, values in asked.items()}
        found = deep(one)
        assert np.array_equal(found[FEATURES][0], together[FEATURES][row])
        assert np.array_equal(found["out_sample"][0], together["out_sample"][row])
        assert np.array_equal(alone(one | {FEATURES: found[FEATURES]})["out_sample"][0], reused[row])


def test_eight_bits_are_the_same_at_every_depth(
    tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = rounded(tiny_model, tmp_path / "int8")
    runs = OpenVino(threads=1)
    asked = inputs_of(model, 2, seed=3)
    plain, found = runs.load(model, "unet")(asked)["out_sample"], runs.load(model, FULL)(asked)
    reused = runs.load(model, SHALLOW)(asked | {FEATURES: found[FEATURES]})["out_sample"]
    assert not caplog.records, "the table must be of both"
    exact = OpenVino(threads=1).load(told(tiny_model, "bfloat16"), "unet")(asked)["out_sample"]
    rounding = np.abs(plain - exact).max()
    assert rounding > 1e-2
    assert np.abs(found["out_sample"] - plain).max() < rounding / 4
    assert np.abs(reused - plain).max() < rounding / 4


def test_compiled_forms_of_all_depths_are_kept_beside_each_other(tiny_model: Path, tmp_path: Path) -> None:
    model = told(shutil.copytree(tiny_model, tmp_path / "tiny"), "float32")
    asked, found = inputs_of(model, 2, seed=4), []
    for _ in range(2):
        runs = backend("openvino", threads=1, cache=tmp_path / "cache")
        plain = runs.load(model, "unet")(asked)
        deep = runs.load(model, FULL)(asked)
        later = inputs_of(model, 2, seed=5) | {FEATURES: deep[FEATURES]}
        found.append([plain["out_sample"], *deep.values(), runs.load(model, SHALLOW)(later)["out_sample"]])
        assert len(list((tmp_path / "cache").rglob("*.blob"))) == 3
    for before, after in zip(*found, strict=True):
        assert np.array_equal(before, after)


def test_a_form_that_comes_later_takes_features_too(
    tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = told(tiny_model, "bfloat16")
    asked = inputs_of(model, 1, seed=6)
    asked[FEATURES] = OpenVino(threads=1).load(model, FULL)(asked)[FEATURES]
    network = OpenVino(threads=1).load(model, SHALLOW)
    assert isinstance(network, OpenVinoNetwork)
    two = {name: np.concatenate([values, values]) for name, values in asked.items()}
    first = network(two)["out_sample"]
    for _ in range(20):
        network(asked)
    sizes = tuple(asked[name].shape[axis] for name, axis in network._free)
    deadline = time.monotonic() + 60
    while set(network._forms(sizes).ready) != {1, 2} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(network._forms(sizes).ready) == {1, 2}, caplog.text
    assert np.array_equal(network(asked)["out_sample"], first[:1])
    network.close()


@pytest.mark.parametrize("folder", sorted(each.name for each in TEMPLATES.glob("*-unet")))
def test_published_configurations_are_cut_above_all_but_one_resnet(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(gzip.decompress((TEMPLATES / folder / "model.onnx.gz").read_bytes()))
    graph = variant_graph(file, "shallow").graph
    weights = {tensor.name.removeprefix("network.") for tensor in graph.initializer if len(tensor.dims) > 1}
    above = ("time_embedding.", "conv_in.", "up_blocks.3.resnets.2.", "up_blocks.3.attentions.2.")
    assert {name for name in weights if not name.startswith((*above, "conv_out."))} == set()
    assert {"conv_in.weight", "up_blocks.3.resnets.2.conv1.weight", "conv_out.weight"} <= weights
    assert graph.input[-1].name == FEATURES
    whole = variant_graph(file, "full").graph
    assert [port.name for port in whole.output] == ["out_sample", FEATURES]
    assert len(whole.initializer) > 4 * len(graph.initializer)


@pytest.mark.parametrize("folder", sorted(each.name for each in TEMPLATES.glob("*-unet")))
def test_of_published_configurations_sixteen_places_a_side_are_told(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(gzip.decompress((TEMPLATES / folder / "model.onnx.gz").read_bytes()))
    (tmp_path / "config.json").write_text('{"sample_size": 64}', encoding="utf-8")
    _, tensors = places(file, "attentive")
    assert len(tensors) == 2 + 3, "two layers on the way down and three on the way up"
    assert variant_graph(file, "attentive").graph.output[-2].name == ATTENTION


def test_a_denoiser_without_words_is_refused_with_the_way_out(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m")
    for name in BACKENDS:
        with pytest.raises(InvalidInput, match="draw without attention") as caught:
            backend(name).load(model, ATTENTIVE)
        assert caught.value.field == "attention"


@pytest.mark.parametrize("name", BACKENDS)
def test_a_graph_without_deep_features_is_refused_with_the_way_out(name: str, tmp_path: Path) -> None:
    model = make_model(tmp_path / "m")
    assert "up_blocks" not in str(onnx.load(model.graph_file("unet"), load_external_data=False))
    for called in (FULL, SHALLOW):
        with pytest.raises(InvalidInput, match="draw with feature_reuse=1") as caught:
            backend(name).load(model, called)
        assert caught.value.field == "feature_reuse"
