"""Going on from a model that is there: networks of the same shape start from its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor, nn

from . import widening
from .checkpoint.reading import WEIGHTS

_TELLING = {
    "vae": ("norm_num_groups", "act_fn", "layers_per_block", "block_out_channels"),
    "unet": ("attention_head_dim", "norm_num_groups", "act_fn", "block_out_channels"),
    "text_encoder": ("num_attention_heads", "hidden_act", "num_hidden_layers"),
}

_LATENT_SIDED = ("conv_in.weight", "conv_out.weight", "conv_out.bias")

console = Console()


def take_weights(network: nn.Module, parent: Path, part: str) -> bool:
    """Give `network` the weights of a part of the model directory `parent`, and say whether it could take them.

    `part` is vae, unet or text_encoder. Names and shapes of all weights must agree, and what their shapes do not
    tell (heads, groups, activations); else nothing is taken. An autoencoder without layout channels takes
    one that has them, a denoiser one that has fewer channels, the further ones of which begin at zero.
    """
    found = parent_weights(parent, part)
    own = network.state_dict()
    config = json.loads((parent / part / "config.json").read_text("utf-8"))
    if (
        isinstance(network, AutoencoderKL)
        and config.get("latent_channels", 0) > network.config.latent_channels
    ):
        found = widening.narrowed(found, network.config.latent_channels)
    if isinstance(network, UNet2DConditionModel):
        found = {
            name: widening.grown(weight, own[name]) if name in _LATENT_SIDED else weight
            for name, weight in found.items()
        }
    fits = {name: weight.shape for name, weight in found.items()} == {
        name: weight.shape for name, weight in own.items()
    } and all(_plain(getattr(network.config, key, None)) == _plain(config.get(key)) for key in _TELLING[part])
    if fits:
        network.load_state_dict({name: weight.to(own[name].dtype) for name, weight in found.items()})
    console.print(
        f"{part}: "
        + (f"goes on from {parent}" if fits else f"starts afresh, that of {parent} is built otherwise")
    )
    return fits


def parent_weights(parent: Path, part: str) -> dict[str, Tensor]:
    """All weights of a part of the model directory `parent`, by name."""
    found: dict[str, Tensor] = load_file(parent / part / f"{WEIGHTS[part]}.safetensors")
    return found


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def take_tokenizer(parent: Path, folder: Path) -> None:
    """Copy the tokenizer of the model directory `parent`, whose text encoder knows no other."""
    shutil.copytree(parent / "tokenizer", folder)
