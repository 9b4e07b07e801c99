"""LoRA files: the sum by its formula, peft's own fusing, every naming in use, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from limner.errors import InvalidInput, NotFound
from limner.families.diffusion.checkpoint.lora import numbers, rounded, with_lora
from limner.families.diffusion.checkpoint.reading import read_checkpoint
from limner.registry.weight_files import Written
from tests.families.diffusion.checkpoint.tiny_sd import make_folder

QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TEXT = "encoder.layers.1.self_attn.q_proj"
RANK = 2


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("sd"), dtype=torch.float32)


@pytest.fixture(scope="module")
def weights(pipeline: Path) -> dict[str, dict[str, Written]]:
    return read_checkpoint(pipeline).weights


def _matrices(rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows + columns)
    return torch.randn(RANK, columns, generator=generator), torch.randn(rows, RANK, generator=generator)


NAMINGS = {
    "peft": (f"unet.{QUERY}.lora_A.weight", f"unet.{QUERY}.lora_B.weight", None),
    "older diffusers": (f"unet.{QUERY}.lora.down.weight", f"unet.{QUERY}.lora.up.weight", None),
    "processors": (
        f"unet.{QUERY.replace('to_q', 'processor.to_q_lora')}.down.weight",
        f"unet.{QUERY.replace('to_q', 'processor.to_q_lora')}.up.weight",
        None,
    ),
    "kohya": (
        f"lora_unet_{QUERY.replace('.', '_')}.lora_down.weight",
        f"lora_unet_{QUERY.replace('.', '_')}.lora_up.weight",
        f"lora_unet_{QUERY.replace('.', '_')}.alpha",
    ),
}


def test_a_sum_that_overflows_half_precision_is_refused(
    weights: dict[str, dict[str, Written]], tmp_path: Path
) -> None:
    down, up = _matrices(32, 32)
    low, high, _ = NAMINGS["peft"]
    save_file({low: down, high: 1e4 * up}, tmp_path / "l.safetensors")
    name = f"{QUERY}.weight"
    base = weights["unet"][name]
    half = {"unet": {name: Written("F16", base.shape, lambda: iter([rounded(numbers(base), "F16")]))}}
    with_lora(half | {"text_encoder": {}}, tmp_path / "l.safetensors", 0.001)
    made = with_lora(half | {"text_encoder": {}}, tmp_path / "l.safetensors", 10.0)
    with pytest.raises(InvalidInput, match=r"l\.safetensors: unet down_blocks.* F16 .*lower its scale"):
        numbers(made["unet"][name])


@pytest.mark.parametrize("naming", NAMINGS)
def test_the_sum_in_every_naming(weights: dict[str, dict[str, Written]], tmp_path: Path, naming: str) -> None:
    down, up = _matrices(32, 32)
    low, high, alpha = NAMINGS[naming]
    said = {low: down, high: up} | ({alpha: torch.tensor(1.0)} if alpha else {})
    save_file(said, tmp_path / "l.safetensors")
    made = with_lora(weights, tmp_path / "l.safetensors", 0.5)
    base = numbers(weights["unet"][f"{QUERY}.weight"])
    expected = base + 0.5 * (1 / RANK if alpha else 1) * (up @ down).numpy()
    np.testing.assert_allclose(numbers(made["unet"][f"{QUERY}.weight"]), expected, rtol=1e-5, atol=1e-5)
    others = {name for name in weights["unet"] if made["unet"][name] != weights["unet"][name]}
    assert others == {f"{QUERY}.weight"} and made["vae"] == weights["vae"]


def test_a_text_encoders_lora_as_diffusers_once_named_it(
    weights: dict[str, dict[str, Written]], tmp_path: Path
) -> None:
    down, up = _matrices(64, 64)
    at = "text_encoder.text_model.encoder.layers.1.self_attn"
    said = {
        f"{at}.to_{one}_lora.{half}.weight": value.clone()
        for one in ("q", "out")
        for half, value in (("down", down), ("up", up))
    }
    save_file(said, tmp_path / "l.safetensors")
    made = with_lora(weights, tmp_path / "l.safetensors", 1.0)["text_encoder"]
    changed = {name for name, tensor in made.items() if tensor is not weights["text_encoder"][name]}
    assert {name.split("self_attn.")[1] for name in changed} == {"q_proj.weight", "out_proj.weight"}


def test_a_text_encoders_lora_and_a_convolutions(
    weights: dict[str, dict[str, Written]], tmp_path: Path
) -> None:
    down, up = _matrices(64, 64)
    kernel, top = torch.randn(RANK, 32, 3, 3), torch.randn(32, RANK, 1, 1)
    said = {
        f"lora_te_text_model_{TEXT.replace('.', '_')}.lora_down.weight": down,
        f"lora_te_text_model_{TEXT.replace('.', '_')}.lora_up.weight": up,
        "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": kernel,
        "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": top,
    }
    save_file(said, tmp_path / "l.safetensors")
    made = with_lora(weights, tmp_path / "l.safetensors", 1.0)
    (name,) = (name for name in weights["text_encoder"] if name.endswith(f"{TEXT}.weight"))
    expected = numbers(weights["text_encoder"][name]) + (up @ down).numpy()
    np.testing.assert_allclose(numbers(made["text_encoder"][name]), expected, rtol=1e-5, atol=1e-5)
    conv = "down_blocks.0.resnets.0.conv1.weight"
    delta = torch.einsum("or,rikl->oikl", top[:, :, 0, 0], kernel).numpy()
    np.testing.assert_allclose(
        numbers(made["unet"][conv]), numbers(weights["unet"][conv]) + delta, rtol=1e-4, atol=1e-4
    )


def test_peft_fuses_the_same(pipeline: Path, weights: dict[str, dict[str, Written]], tmp_path: Path) -> None:
    """A file that diffusers saved, with an alpha that only its metadata tell."""
    pipe = StableDiffusionPipeline.from_pretrained(pipeline)
    told: dict[str, Any] = {"r": RANK, "lora_alpha": 6, "target_modules": ["to_q", "to_out.0"]}
    pipe.unet.add_adapter(LoraConfig(**told, init_lora_weights=False))
    StableDiffusionPipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=get_peft_model_state_dict(pipe.unet),
        unet_lora_adapter_metadata=told,
    )
    made = with_lora(weights, tmp_path / "pytorch_lora_weights.safetensors", 0.7)
    fresh = StableDiffusionPipeline.from_pretrained(pipeline)
    fresh.load_lora_weights(tmp_path)
    fresh.fuse_lora(lora_scale=0.7)
    fresh.unload_lora_weights()
    for name, tensor in fresh.unet.state_dict().items():
        np.testing.assert_allclose(
            numbers(made["unet"][name]), tensor.numpy(), rtol=1e-4, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("saved_by", ["peft", "diffusers"])
def test_a_network_that_was_saved_alone(
    pipeline: Path, weights: dict[str, dict[str, Written]], tmp_path: Path, saved_by: str
) -> None:
    """As peft's save_pretrained and diffusers' save_lora_adapter do it: no part before the names, an alpha aside."""
    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet")
    config = LoraConfig(
        r=RANK, lora_alpha=6, target_modules=["to_q", "to_out.0", "conv1"], init_lora_weights=False
    )
    if saved_by == "peft":
        wrapped = get_peft_model(unet, config)
        wrapped.save_pretrained(str(tmp_path))
        merged, file = wrapped.merge_and_unload(), tmp_path / "adapter_model.safetensors"
    else:
        unet.add_adapter(config)
        unet.save_lora_adapter(tmp_path)
        unet.fuse_lora()
        unet.unload_lora()
        merged, file = unet, tmp_path / "pytorch_lora_weights.safetensors"
    made = with_lora(weights, file, 1.0)
    assert made["unet"][f"{QUERY}.weight"] != weights["unet"][f"{QUERY}.weight"]
    for name, tensor in merged.state_dict().items():
        np.testing.assert_allclose(
            numbers(made["unet"][name]), tensor.numpy(), rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_a_text_encoder_that_was_saved_alone(weights: dict[str, dict[str, Written]], tmp_path: Path) -> None:
    down, up = _matrices(64, 64)
    module, file, beside = (
        f"base_model.model.text_model.{TEXT}",
        tmp_path / "l.safetensors",
        "adapter_config.json",
    )
    save_file({f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}, file)
    (tmp_path / beside).write_text(json.dumps({"r": RANK, "lora_alpha": 6}), encoding="utf-8")
    made = with_lora(weights, file, 1.0)
    (name,) = (name for name in weights["text_encoder"] if name.endswith(f"{TEXT}.weight"))
    expected = numbers(weights["text_encoder"][name]) + 6 / RANK * (up @ down).numpy()
    np.testing.assert_allclose(numbers(made["text_encoder"][name]), expected, rtol=1e-5, atol=1e-4)
    (tmp_path / beside).write_text(json.dumps({"use_dora": True}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="with use_dora"):
        with_lora(weights, file, 1.0)


def test_what_is_refused(weights: dict[str, dict[str, Written]], tmp_path: Path) -> None:
    down, up = _matrices(32, 32)
    file = tmp_path / "l.safetensors"

    def refuse(said: dict[str, torch.Tensor], words: str) -> None:
        save_file({name: tensor.contiguous() for name, tensor in said.items()}, file)
        with pytest.raises(InvalidInput, match=words):
            with_lora(weights, file, 1.0)

    low, high, _ = NAMINGS["peft"]
    refuse({low: down}, "lacks one of its two")
    refuse({low: down[:, :8], high: up}, "another model")
    refuse({low.replace("to_q", "to_x"): down, high.replace("to_q", "to_x"): up}, "no module")
    refuse({f"unet.{QUERY}.dora_scale": down.clone(), low: down, high: up}, "not plain LoRA")
    refuse({"betas": torch.zeros(3)}, "not plain LoRA")
    with pytest.raises(NotFound, match="not found"):
        with_lora(weights, tmp_path / "nowhere.safetensors", 1.0)
    (tmp_path / "l.pt").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="can run code"):
        with_lora(weights, tmp_path / "l.pt", 1.0)


@given(
    arrays(np.float32, 7, elements=st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)),
    st.sampled_from(["F32", "F16", "BF16"]),
)
def test_numbers_come_back_rounded_as_torch_rounds(values: np.ndarray, dtype: str) -> None:
    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    with np.errstate(over="ignore"):
        data = rounded(values, dtype)
    found = numbers(Written(dtype, (7,), lambda: [data]))
    assert np.array_equal(found, torch.from_numpy(values).to(kind).float().numpy())
