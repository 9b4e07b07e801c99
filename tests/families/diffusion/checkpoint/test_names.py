"""Names of weights: against the layout of the original code, and against diffusers' own conversion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from safetensors.torch import load_file, save_file

from limner.errors import InvalidInput
from limner.families.diffusion.checkpoint.names import from_original, is_original
from limner.families.diffusion.checkpoint.reading import WEIGHTS, read_checkpoint
from limner.registry.weight_files import read_index
from tests.families.diffusion.checkpoint.tiny_sd import make_file, make_folder


@pytest.fixture(scope="module", params=[False, True], ids=["first", "second"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bool]:
    """A folder, the same weights in one file, and whether it is of the second version."""
    folder = tmp_path_factory.mktemp("sd")
    pipeline = make_folder(folder, request.param)
    return pipeline, make_file(folder, pipeline, request.param), request.param


def test_one_file_is_the_folder_under_other_names(both: tuple[Path, Path, bool]) -> None:
    """Names, shapes and bytes of every tensor, and all that shapes tell of the configurations."""
    pipeline, file, second = both
    found, expected = read_checkpoint(file), read_checkpoint(pipeline)
    for part in WEIGHTS:
        names = {name.removeprefix("text_model.") for name in expected.weights[part]}
        assert {name.removeprefix("text_model.") for name in found.weights[part]} == names
        for name, tensor in found.weights[part].items():
            plain = name if name in expected.weights[part] else name.removeprefix("text_model.")
            other = expected.weights[part][plain]
            assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape), name
            assert b"".join(tensor.parts()) == b"".join(other.parts()), name
        for key, value in found.configs[part].items():
            if key == "sample_size":  # nothing in the file tells it: what is published
                assert value == (96 if second else 64) * (8 if part == "vae" else 1)
            elif key not in ("bos_token_id", "eos_token_id", "pad_token_id", "projection_dim"):
                wanted = expected.configs[part][key]
                assert value == wanted or (
                    second and key == "attention_head_dim" and value == list(wanted)
                ), key
    assert found.configs["scheduler"]["prediction_type"] == ("v_prediction" if second else "epsilon")


def test_diffusers_gives_the_same_names(both: tuple[Path, Path, bool]) -> None:
    _, file, _ = both
    tensors = load_file(file)
    config = {"layers_per_block": 2, "class_embed_type": None, "addition_embed_type": None}
    unet = convert_ldm_unet_checkpoint(dict(tensors), config)
    vae = convert_ldm_vae_checkpoint(
        dict(tensors),
        {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4},
    )
    found = from_original(read_index(file))
    assert set(found["unet"]) == set(unet)
    assert {name: t.shape for name, t in found["vae"].items()} == {n: tuple(t.shape) for n, t in vae.items()}


def test_a_file_that_lacks_a_part_or_has_another_networks_tensors(tmp_path: Path) -> None:
    whole = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, 2)}
    save_file(whole, tmp_path / "a.safetensors")
    assert is_original(read_index(tmp_path / "a.safetensors"))
    with pytest.raises(InvalidInput, match="lacks its vae and text_encoder"):
        read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.diffusion_model.label_emb.0.weight", r"label_emb.*no place"),
        ("model.diffusion_model.input_blocks.0.0.op.weight", "level without resnets"),
        ("model.diffusion_model.input_blocks.x.0.weight", "no place"),
        ("first_stage_model.decoder.up.999999999999.block.0.conv1.weight", "no place"),
    ],
)
def test_names_that_mean_nothing(
    both: tuple[Path, Path, bool], tmp_path: Path, name: str, words: str
) -> None:
    save_file(load_file(both[1]) | {name: torch.zeros(2)}, tmp_path / "b.safetensors")
    with pytest.raises(InvalidInput, match=words):
        read_checkpoint(tmp_path / "b.safetensors")


def test_tensors_of_other_shapes(both: tuple[Path, Path, bool], tmp_path: Path) -> None:
    tensors, second = load_file(both[1]), both[2]
    text = "model.transformer.resblocks.0.attn.in_proj_weight"
    if not second:
        text = "transformer.text_model.embeddings.token_embedding.weight"
    for name in (
        "model.diffusion_model.input_blocks.0.0.weight",
        "first_stage_model.post_quant_conv.weight",
        f"cond_stage_model.{text}",
    ):
        assert name in tensors
        save_file(tensors | {name: torch.zeros(())}, tmp_path / "b.safetensors")
        with pytest.raises(InvalidInput):
            read_checkpoint(tmp_path / "b.safetensors")


@pytest.mark.parametrize(("written", "kept"), [(24, 23), (23, 23)])
def test_the_second_versions_text_encoder_has_23_layers_whoever_wrote_the_file(
    tmp_path: Path, written: int, kept: int
) -> None:
    at = "cond_stage_model.model."
    tensors = {
        f"{at}transformer.resblocks.{k}.ln_1.{leaf}": torch.zeros(2)
        for k in range(written)
        for leaf in ("weight", "bias")
    }
    tensors |= {
        "model.diffusion_model.out.0.weight": torch.zeros(2),
        "model.diffusion_model.input_blocks.1.0.in_layers.0.weight": torch.zeros(2),
    }
    save_file(
        tensors | {"first_stage_model.encoder.conv_in.weight": torch.zeros(2)}, tmp_path / "a.safetensors"
    )
    text = from_original(read_index(tmp_path / "a.safetensors"))["text_encoder"]
    assert len({name.split(".")[3] for name in text}) == kept


def test_one_file_of_xl_is_named_for_what_it_is(tmp_path: Path) -> None:
    xl = {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, 2),
        "conditioner.embedders.0.x": torch.zeros(2),
    }
    save_file(xl, tmp_path / "xl.safetensors")
    with pytest.raises(InvalidInput, match="two text encoders, as Stable Diffusion XL"):
        read_checkpoint(tmp_path / "xl.safetensors")
