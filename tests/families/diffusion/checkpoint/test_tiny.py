"""Tiny decoders beside a model's own: read in each layout, bound to the shipped graph, the same as diffusers'."""

from __future__ import annotations

import shutil
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from safetensors.torch import save_file
from typer.testing import CliRunner

from limner.cli.app import app
from limner.engine.backends import backend
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput, NotFound, Unavailable
from limner.families import family
from limner.families.diffusion.checkpoint import bring
from limner.families.diffusion.checkpoint.templates import TEMPLATES
from limner.families.diffusion.checkpoint.tiny import GRAPH, read_tiny_decoder
from limner.registry import Model, Registry, open_model
from tests.families.diffusion.checkpoint.tiny_sd import make_folder
from tests.families.diffusion.driving import Run, psnr, torch_networks

VAE = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}


@pytest.fixture(scope="module")
def reference() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return AutoencoderTiny().eval()


@pytest.fixture(scope="module")
def sources(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same decoder as people have it."""
    place = tmp_path_factory.mktemp("taesd")
    reference.save_pretrained(place / "folder")
    # As the original code has it: a layer without weights comes first, and there is no word before the numbers.
    original = {}
    for name, tensor in reference.decoder.state_dict().items():
        _, number, rest = name.split(".", 2)
        original[f"{int(number) + 1}.{rest}"] = tensor.contiguous()
    save_file(original, place / "taesd_decoder.safetensors")
    return {
        "folder": place / "folder",
        "its file": place / "folder" / "diffusion_pytorch_model.safetensors",
        "original": place / "taesd_decoder.safetensors",
    }


@pytest.fixture
def model(tiny_model: Path, sources: dict[str, Path], tmp_path: Path) -> Model:
    """The tiny model with a tiny decoder, in float32."""
    shutil.copytree(tiny_model, tmp_path / "m")
    plain = open_model(tmp_path / "m").manifest
    graph = read_tiny_decoder(sources["original"], VAE).put(tmp_path / "m")
    update = {"graphs": plain.graphs | {GRAPH: graph}, "precision": "float32"}
    plain.model_copy(update=update).write(tmp_path / "m")
    return open_model(tmp_path / "m")


@pytest.mark.parametrize("layout", ["folder", "its file", "original"])
def test_it_decodes_as_diffusers_does(
    layout: str, sources: dict[str, Path], reference: Any, model: Model, tmp_path: Path
) -> None:
    shutil.rmtree(model.path / "tiny_vae")
    read_tiny_decoder(sources[layout], VAE).put(model.path)
    network = backend("openvino").load(model, GRAPH)
    for shape in ((1, 4, 8, 8), (2, 4, 5, 12)):
        latent = 3 * np.random.default_rng(1).standard_normal(shape, np.float32)
        with torch.no_grad():
            expected = reference.decode(torch.from_numpy(latent)).sample.numpy()
        np.testing.assert_allclose(network({"latent_sample": latent})["sample"], expected, atol=2e-5)
    assert AutoencoderTiny.load_config(model.path / "tiny_vae")["latent_channels"] == 4


def test_a_picture_is_decoded_by_it_when_asked(model: Model, reference: Any, tmp_path: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(model.path)
    own, tiny = torch_networks(pipe), torch_networks(SimpleNamespace(unet=pipe.unet, vae=reference))
    drawer = family("diffusion")(model)
    asked = DrawRequest(prompt="a cat", model="tiny", seed=3, steps=2, decoder="tiny")
    run = Run(
        drawer.program(drawer.resolve(asked)), lambda call: (tiny if call.graph == GRAPH else own)(call)
    )
    assert [call.graph for call in run.calls][-1] == GRAPH
    default = DrawRequest(prompt="a cat", model="tiny", seed=3, steps=2)
    with closing(LocalStudio(Registry(tmp_path / "data", [model]))) as studio:
        drawn = studio.draw(asked)
        assert psnr(drawn.pixels.astype(np.float32), run.pixels) > 40 and drawn.request.decoder == "tiny"
        full = studio.draw(default)
        assert full.request.decoder == "full" and not np.array_equal(full.pixels, drawn.pixels)
    told = Model(model.path, model.manifest.model_copy(update={"decoder": "tiny"}), False)
    with closing(LocalStudio(Registry(tmp_path / "data", [told]))) as studio:
        assert np.array_equal(studio.draw(default).pixels, drawn.pixels)


def test_a_model_without_one_says_how_to_get_it(tiny_model: Path) -> None:
    drawer = family("diffusion")(open_model(tiny_model))
    with pytest.raises(InvalidInput, match=r"no tiny decoder; .*--tiny-decoder") as told:
        drawer.resolve(DrawRequest(prompt="a cat", decoder="tiny"))
    assert told.value.field == "decoder"


def test_what_is_no_tiny_decoder_of_this_checkpoint_is_named(
    sources: dict[str, Path], reference: Any, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        read_tiny_decoder(tmp_path / "nowhere", VAE)
    (tmp_path / "taesd.pth").write_bytes(b"")
    with pytest.raises(InvalidInput, match="pickle"):
        read_tiny_decoder(tmp_path / "taesd.pth", VAE)
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(InvalidInput, match="no tiny decoder"):
        read_tiny_decoder(tmp_path / "x.safetensors", VAE)
    with pytest.raises(InvalidInput, match="8 times their sides; this checkpoint's have 16"):
        read_tiny_decoder(sources["folder"], VAE | {"latent_channels": 16})
    tensors = {name: tensor.contiguous() for name, tensor in reference.state_dict().items()}
    del tensors["decoder.layers.2.conv.0.bias"]
    save_file(tensors, tmp_path / "y.safetensors")
    with pytest.raises(InvalidInput, match=r"lacks tensor 'decoder\.layers\.2\.conv\.0\.bias'"):
        read_tiny_decoder(tmp_path / "y.safetensors", VAE)
    AutoencoderTiny(decoder_block_out_channels=(32, 32, 32, 32)).save_pretrained(tmp_path / "narrow")
    with pytest.raises(Unavailable, match="published configuration"):
        read_tiny_decoder(tmp_path / "narrow", VAE)


def test_it_comes_with_a_checkpoint_from_the_command_line(
    sources: dict[str, Path], tiny_templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As though the tiny configuration were one of those that are published.
    folder = shutil.copytree(tiny_templates, tmp_path / "templates")
    shutil.copytree(TEMPLATES / "tiny-decoder", folder / "tiny-decoder")
    monkeypatch.setattr(bring, "import_checkpoint", partial(bring.import_checkpoint, template_folder=folder))
    pipeline = make_folder(tmp_path / "sd")
    data = ["--data-dir", str(tmp_path / "data")]
    brought = CliRunner().invoke(
        app,
        [
            "models",
            "import",
            "sd",
            str(pipeline),
            "--name",
            "sd",
            "--tiny-decoder",
            str(sources["original"]),
            *data,
        ],
    )
    assert brought.exit_code == 0, brought.output
    file = tmp_path / "cat.png"
    asked = ["--model", "sd", "--steps", "1", "--decoder", "tiny", "-o", str(file), *data]
    drawn = CliRunner().invoke(app, ["draw", "a cat", *asked])
    assert drawn.exit_code == 0, drawn.output
    assert b"Decoder: tiny" in file.read_bytes()
