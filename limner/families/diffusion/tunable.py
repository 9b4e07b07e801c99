"""A model directory as something to be tuned: its denoiser, its text encoder where asked, all of them or by LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from ...registry.json_files import read_object
from ...registry.models import Model
from ...training.precision import frozen_dtype
from .attention import choose_attention
from .lora_layers import add_lora, learn_last_rows
from .recipe import Tuning
from .tuning_parent import check_tunable, sides


@dataclass(frozen=True)
class Tunable:
    """The networks of a model that is tuned; `text_encoder` is None where it is frozen.

    `scheduler` and `autoencoder` are their configurations, `directory` the model's.
    """

    directory: Path
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel | None
    tokenizer: CLIPTokenizer
    scheduler: dict[str, Any]
    autoencoder: dict[str, Any]

    @property
    def prediction(self) -> str:
        """What the denoiser predicts: epsilon, v_prediction or sample."""
        return str(self.scheduler.get("prediction_type", "epsilon"))

    @property
    def scaling(self) -> float:
        """Latents are multiplied by this for the denoiser."""
        return float(self.autoencoder.get("scaling_factor", 0.18215))

    @property
    def factor(self) -> int:
        """Pixels of a picture to one latent, along each side."""
        return sides(self.directory)[0]

    @property
    def step(self) -> int:
        """Sides of pictures must be multiples of this many pixels."""
        return sides(self.directory)[1]

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What is tuned, by its part of the model directory."""
        found: dict[str, nn.Module] = {"unet": self.unet}
        if self.text_encoder is not None:
            found["text_encoder"] = self.text_encoder
        return found

    def trained(self) -> dict[str, int]:
        """How many numbers of each part are tuned."""
        return {
            part: sum(p.numel() for p in network.parameters() if p.requires_grad)
            for part, network in self.networks.items()
        }


def load_tunable(parent: Model, recipe: Tuning, seed: int, size: int, new_tokens: int = 0) -> Tunable:
    """Load what a recipe tunes of a model, on the CPU, for pictures of about size x size pixels.

    All weights in float32; with LoRA those that are frozen in the recipe's precision, but for those of a text encoder
    whose last `new_tokens` tokens are new: their rows are learned beside the LoRA. Errors as
    `check_tunable`.
    """
    check_tunable(parent)
    directory = parent.path
    base = frozen_dtype(recipe.precision) if recipe.method == "lora" else torch.float32
    unet = UNet2DConditionModel.from_pretrained(directory / "unet", torch_dtype=base, use_safetensors=True)
    autoencoder = read_object(directory / "vae" / "config.json")
    text = None
    if recipe.text_encoder:
        dtype = torch.float32 if new_tokens else base
        text = CLIPTextModel.from_pretrained(directory / "text_encoder", dtype=dtype, use_safetensors=True)
    torch.manual_seed(seed)
    _prepare(unet, text, recipe, size // sides(directory)[0])
    if text is not None and new_tokens and recipe.method == "lora":
        learn_last_rows(text, new_tokens)
    tokens = read_object(directory / "text_encoder" / "config.json").get("max_position_embeddings", 77)
    return Tunable(
        directory,
        unet,
        text,
        CLIPTokenizer.from_pretrained(directory / "tokenizer", model_max_length=tokens),
        read_object(directory / "scheduler" / "scheduler_config.json"),
        autoencoder,
    )


def _prepare(unet: UNet2DConditionModel, text: CLIPTextModel | None, recipe: Tuning, side: int) -> None:
    """Make the networks ready for latents of about side x side."""
    choose_attention(unet, text, side)
    if recipe.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
        if text is not None:
            text.gradient_checkpointing_enable({"use_reentrant": False})
    if recipe.method == "full":
        unet.requires_grad_(True)
        if text is not None:
            text.requires_grad_(True)
        return
    for network in (unet, text):
        if network is not None:
            add_lora(network, recipe)
