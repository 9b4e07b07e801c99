from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors.torch import load_file

from limner.errors import InvalidInput
from limner.families.diffusion.model import (
    build_autoencoder,
    build_text_encoder,
    build_unet,
    fold_latent_statistics,
    latent_factor,
    save_pipeline,
)
from tests.tiny_model import AUTOENCODER, TEXT_ENCODER, UNET, make_tiny_pipeline


@pytest.fixture
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_autoencoder(AUTOENCODER).eval()


@pytest.mark.parametrize(
    ("build", "config"),
    [(build_unet, UNET), (build_autoencoder, AUTOENCODER), (build_text_encoder, TEXT_ENCODER)],
)
def test_an_unknown_key_is_named(build: object, config: dict[str, object]) -> None:
    assert callable(build)
    with pytest.raises(InvalidInput, match="'chanels'") as caught:
        build({**config, "chanels": 3})
    assert caught.value.field == "chanels"


@torch.no_grad()
def test_folding_standardises_latents_and_changes_no_picture(vae: AutoencoderKL) -> None:
    pictures = torch.rand(8, 3, 64, 64) * 2 - 1
    before = vae.encode(pictures).latent_dist
    restored = vae.decode(before.mean).sample
    mean, std = before.mean.mean((0, 2, 3)), before.mean.std((0, 2, 3))

    fold_latent_statistics(vae, mean, std)

    after = vae.encode(pictures).latent_dist
    torch.testing.assert_close(after.mean.mean((0, 2, 3)), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(after.mean.std((0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(after.std, before.std / std[:, None, None], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(vae.decode(after.mean).sample, restored, atol=1e-4, rtol=1e-4)
    assert vae.config.scaling_factor == 1.0
    assert latent_factor(vae) == 8


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (torch.zeros(4), torch.tensor([1.0, 1.0, 0.0, 1.0])),
        (torch.zeros(3), torch.ones(3)),
        (torch.full((4,), torch.nan), torch.ones(4)),
    ],
)
def test_folding_refuses_statistics_that_cannot_be(
    vae: AutoencoderKL, mean: torch.Tensor, std: torch.Tensor
) -> None:
    weights = copy.deepcopy(vae.state_dict())
    with pytest.raises(InvalidInput, match="mean and std"):
        fold_latent_statistics(vae, mean, std)
    assert all(torch.equal(value, weights[name]) for name, value in vae.state_dict().items())


def test_folding_needs_the_quantisation_convolutions() -> None:
    vae = build_autoencoder({**AUTOENCODER, "use_quant_conv": False})
    with pytest.raises(InvalidInput, match="quant_conv"):
        fold_latent_statistics(vae, torch.zeros(4), torch.ones(4))


def test_a_pipeline_is_saved_in_half_precision(tmp_path: Path) -> None:
    make_tiny_pipeline(tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.safetensors")}
    assert files == {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }
    for file in files:
        assert {tensor.dtype for tensor in load_file(tmp_path / file).values()} == {torch.float16}


def test_saving_refuses_what_half_precision_cannot_hold_and_leaves_networks_alone(
    tmp_path: Path, vae: AutoencoderKL
) -> None:
    unet = build_unet(UNET)
    with torch.no_grad():
        unet.conv_in.bias[0] = 1e6
    with pytest.raises(InvalidInput, match=r"unet: weight conv_in\.bias"):
        save_pipeline(
            tmp_path,
            unet=unet,
            vae=vae,
            text_encoder=build_text_encoder(TEXT_ENCODER),
            tokenizer=None,  # refused before it is looked at
            scheduler=DDIMScheduler(),
        )
    assert unet.conv_in.bias[0] == 1e6
