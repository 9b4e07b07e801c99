from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from limner.errors import InvalidInput, LimnerError, NotFound
from limner.families.diffusion.export import export, fit_preview, verify
from limner.families.graphs import TOLERANCE
from limner.registry import Model, open_model
from limner.registry.manifest import Lineage

LINEAGE = Lineage(data="", data_hash="", recipe="", commit="", hardware="", hours=0, examples=0)
GRAPHS = ("text_encoder", "unet", "vae_decoder", "vae_encoder")
NAMES: dict[str, Any] = {"name": "m", "version": "1", "title": "M", "description": "", "lineage": LINEAGE}


@pytest.fixture
def model(tiny_model: Path) -> Model:
    return open_model(tiny_model)


def run(model: Model, graph: str, **inputs: np.ndarray) -> np.ndarray:
    file = model.graph_file(graph)
    compiled = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(inputs)[0])


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_weight_lies_in_the_safetensors_file_beside_the_graph(model: Model, graph: str) -> None:
    file = model.graph_file(graph)
    proto = onnx.load(file, load_external_data=False)
    external = 0
    for tensor in proto.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            assert tensor.ByteSize() < 4096
            continue
        fields = {entry.key: entry.value for entry in tensor.external_data}
        weights = file.parent / fields["location"]
        assert weights.parent == file.parent and weights.suffix == ".safetensors"
        stored = load_file(weights)[tensor.name]
        at, length = int(fields["offset"]), int(fields["length"])
        assert weights.read_bytes()[at : at + length] == stored.numpy().tobytes()
        external += stored.numel()
    assert external == model.manifest.graphs[graph].parameters
    for node in proto.graph.node:
        assert not node.doc_string and not node.metadata_props
        assert node.op_type != "Constant" or node.ByteSize() < 4096
    assert len(file.read_bytes()) < 300_000


def test_parameters_are_counted(model: Model) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(model.path)
    decoder = [pipeline.vae.decoder, pipeline.vae.post_quant_conv]
    encoder = [pipeline.vae.encoder, pipeline.vae.quant_conv]
    expected = {
        "text_encoder": sum(p.numel() for p in pipeline.text_encoder.parameters()),
        "unet": sum(p.numel() for p in pipeline.unet.parameters()),
        "vae_decoder": sum(p.numel() for part in decoder for p in part.parameters()),
        "vae_encoder": sum(p.numel() for part in encoder for p in part.parameters()),
    }
    assert {name: graph.parameters for name, graph in model.manifest.graphs.items()} == expected


def test_graphs_take_and_give_what_the_manifest_says(model: Model) -> None:
    core = openvino.Core()
    for name, graph in model.manifest.graphs.items():
        network = core.read_model(model.graph_file(name))
        for ports, tensors in ((network.inputs, graph.inputs), (network.outputs, graph.outputs)):
            assert [port.any_name for port in ports] == [tensor.name for tensor in tensors]
            for port, tensor in zip(ports, tensors, strict=True):
                found = ["B" if axis.is_dynamic else axis.get_length() for axis in port.partial_shape]
                assert found == list(tensor.shape)
                assert port.element_type.to_dtype() == np.dtype(tensor.dtype)


def test_openvino_folds_the_casts_of_weights(model: Model) -> None:
    file = model.graph_file("unet")
    casts = sum(node.op_type == "Cast" for node in onnx.load(file, load_external_data=False).graph.node)
    compiled = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    layers = [node.get_rt_info()["layerType"].astype(str) for node in compiled.get_runtime_model().get_ops()]
    assert casts > 150
    assert layers.count("Convert") < casts / 5


def test_every_graph_agrees_with_torch_in_both_runtimes(tiny_model: Path) -> None:
    found = verify(tiny_model)
    assert {(one.graph, one.runtime) for one in found} == {
        (graph, runtime) for graph in GRAPHS for runtime in ("openvino", "onnxruntime")
    }
    assert max(one.error for one in found) < TOLERANCE / 10


@torch.no_grad()
def test_the_stable_diffusion_pipeline_loads_the_directory_and_agrees(model: Model) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(model.path, local_files_only=True)
    assert pipeline.safety_checker is None and pipeline.feature_extractor is None
    tokens = pipeline.tokenizer(["a red apple", ""], padding="max_length", truncation=True)["input_ids"]
    ids = np.array(tokens, np.int64)
    assert ids.shape == (2, 16)
    states = run(model, "text_encoder", input_ids=ids)
    expected = pipeline.text_encoder(torch.from_numpy(ids)).last_hidden_state
    np.testing.assert_allclose(states, expected, rtol=1e-3, atol=1e-4)

    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    noise = run(
        model,
        "unet",
        sample=latents.numpy(),
        timestep=np.array([981, 981], np.float32),
        encoder_hidden_states=states,
    )
    np.testing.assert_allclose(noise, pipeline.unet(latents, 981, expected).sample, rtol=1e-3, atol=1e-4)
    picture = run(model, "vae_decoder", latent_sample=latents.numpy())
    np.testing.assert_allclose(picture, pipeline.vae.decode(latents).sample, rtol=1e-3, atol=1e-4)
    drawn = pipeline("a red apple", num_inference_steps=2, output_type="np").images
    assert drawn.shape == (1, 64, 64, 3) and np.isfinite(drawn).all()


def test_rows_of_one_call_may_have_different_timesteps(model: Model) -> None:
    generator = np.random.default_rng(0)
    inputs = {
        "sample": generator.standard_normal((3, 4, 8, 8)).astype(np.float32),
        "timestep": np.array([1, 500, 999], np.float32),
        "encoder_hidden_states": generator.standard_normal((3, 16, 32)).astype(np.float32),
    }
    together = run(model, "unet", **inputs)
    alone = [run(model, "unet", **{k: v[i : i + 1] for k, v in inputs.items()})[0] for i in range(3)]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-4, atol=1e-5)


def test_weights_that_differ_from_the_graphs_are_noticed(tiny_model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_model, directory)
    file = directory / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    save_file({"zero": torch.zeros(6, dtype=torch.float16), **tensors}, file, metadata={"format": "pt"})
    with pytest.raises(LimnerError):
        verify(directory)


def test_preview_is_the_linear_map_where_there_is_one() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(4, 2, 3, 5, generator=generator)
    matrix = torch.tensor([[0.1, -0.2, 0.05], [0.0, 0.15, 0.1]])
    colours = torch.einsum("nchw,cr->nrhw", latents, matrix) + torch.tensor([0.5, 0.4, 0.3])[:, None, None]
    pictures = colours.repeat_interleave(4, 2).repeat_interleave(4, 3)
    preview = fit_preview(latents, pictures)
    np.testing.assert_allclose(preview.matrix, matrix, atol=1e-5)
    np.testing.assert_allclose(preview.bias, [0.5, 0.4, 0.3], atol=1e-5)


def test_export_refuses_a_folder_in_use_and_half_a_pipeline(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(InvalidInput, match="is not empty"):
        export(tiny_model, tmp_path / "out", **NAMES)
    with pytest.raises(NotFound, match=r"lacks model_index\.json, unet"):
        export(tmp_path / "out", tmp_path / "new", **NAMES)
    assert not (tmp_path / "new").exists()


def test_export_in_place_takes_the_preview_from_given_pairs(tiny_model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_model, directory)
    pairs = torch.randn(2, 4, 8, 8), torch.rand(2, 3, 64, 64)
    model = export(directory, directory, **NAMES, preview_pairs=pairs, vocabulary=["red", "apple"])
    assert model == open_model(directory)
    assert model.manifest.preview == fit_preview(*pairs)
    assert model.manifest.vocabulary == ("red", "apple")
