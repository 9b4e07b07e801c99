"""The diffusion family's networks: Stable Diffusion's parts in any size, and saving them as a pipeline.

The classes are those of diffusers and transformers, so that `StableDiffusionPipeline.from_pretrained`
loads what is saved here. Configurations are those classes' own keyword arguments.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, SchedulerMixin, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerBase

from ...errors import InvalidInput

Config = Mapping[str, Any]
_Network = TypeVar("_Network", bound=nn.Module)


def build_unet(config: Config) -> UNet2DConditionModel:
    """A denoiser with random weights; InvalidInput names a key that `UNet2DConditionModel` does not have.

    sample (B, C, h, w), timestep (B,), encoder_hidden_states (B, T, D) -> (B, C, h, w).
    """
    _check_keys("unet", config, inspect.signature(UNet2DConditionModel.__init__).parameters)
    return UNet2DConditionModel(**config)


def build_autoencoder(config: Config) -> AutoencoderKL:
    """An autoencoder with random weights; InvalidInput names a key that `AutoencoderKL` does not have.

    pictures (B, 3, H, W) in -1..1 <-> latents (B, C, H/f, W/f), f = 2 ** (number of levels - 1).
    """
    _check_keys("autoencoder", config, inspect.signature(AutoencoderKL.__init__).parameters)
    return AutoencoderKL(**config)


def build_text_encoder(config: Config) -> CLIPTextModel:
    """A text encoder with random weights; InvalidInput names a key that `CLIPTextConfig` does not have.

    input_ids (B, T) -> last_hidden_state (B, T, D).
    """
    _check_keys("text_encoder", config, CLIPTextConfig().to_dict())
    return CLIPTextModel(CLIPTextConfig(**config))


def _check_keys(part: str, config: Config, known: Mapping[str, object]) -> None:
    for key in config:
        if key not in known or key == "self":
            raise InvalidInput(f"{part}: unknown key {key!r}; known: {', '.join(sorted(known))}", field=key)


def latent_factor(vae: AutoencoderKL) -> int:
    """Picture pixels per latent pixel, along each side."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


@torch.no_grad()
def fold_latent_statistics(vae: AutoencoderKL, mean: Tensor, std: Tensor) -> None:
    """Make latents standardised, in place: `encode` then gives (x - mean) / std, and `decode` undoes it.

    `mean` and `std`, both (C,), are those of the latents as they are now. The statistics go into the 1x1
    convolutions after the encoder and before the decoder, the posterior's log-variance included, and
    `scaling_factor` becomes 1.0. InvalidInput without these convolutions or with a `std` not above zero.
    """
    if vae.quant_conv is None or vae.post_quant_conv is None:
        raise InvalidInput("the autoencoder has no quant_conv and post_quant_conv to fold statistics into")
    channels = vae.config.latent_channels
    mean, std = mean.double().cpu(), std.double().cpu()
    if mean.shape != (channels,) or std.shape != (channels,):
        raise InvalidInput(f"mean and std must be ({channels},); got {tuple(mean.shape)}, {tuple(std.shape)}")
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
        raise InvalidInput("mean and std must be finite, std above zero in every channel")
    weight, bias = _doubles(vae.quant_conv)  # (2C, 2C, 1, 1), (2C,): rows of means, then of log-variances
    weight[:channels] /= std[:, None, None, None]
    bias[:channels] = (bias[:channels] - mean) / std
    bias[channels:] -= 2 * std.log()
    _put(vae.quant_conv, weight, bias)
    weight, bias = _doubles(vae.post_quant_conv)  # (C, C, 1, 1), (C,)
    bias += weight[:, :, 0, 0] @ mean
    weight *= std[None, :, None, None]
    _put(vae.post_quant_conv, weight, bias)
    vae.register_to_config(scaling_factor=1.0)


def _doubles(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    assert conv.bias is not None
    return conv.weight.detach().double().cpu(), conv.bias.detach().double().cpu()


def _put(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    assert conv.bias is not None
    conv.weight.copy_(weight)
    conv.bias.copy_(bias)


def save_pipeline(
    directory: Path,
    *,
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: PreTrainedTokenizerBase,
    scheduler: SchedulerMixin,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write diffusers' layout of a StableDiffusionPipeline, weights as safetensors in `dtype`.

    The given networks are left as they are. The scheduler is saved as the pipeline class would run it
    (steps_offset 1, no clipping of samples). InvalidInput where a weight does not fit in `dtype`.
    """
    pipeline = StableDiffusionPipeline(
        unet=_rounded("unet", unet, dtype),
        vae=_rounded("vae", vae, dtype),
        text_encoder=_rounded("text_encoder", text_encoder, dtype),
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(directory, safe_serialization=True)
    _load_in_float32(directory / "text_encoder" / "config.json")


def _load_in_float32(config: Path) -> None:
    # transformers loads in the stored dtype where diffusers loads in float32; a pipeline of both cannot run
    values = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps({**values, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def _rounded(part: str, network: _Network, dtype: torch.dtype) -> _Network:
    # nn.Module.to itself: the method of diffusers warns of layers kept in float32, though there are none
    network = nn.Module.to(copy.deepcopy(network), device="cpu", dtype=dtype).eval()
    for name, weight in network.named_parameters():
        if not torch.isfinite(weight).all():
            raise InvalidInput(f"{part}: weight {name} is not finite in {dtype}")
    return network
