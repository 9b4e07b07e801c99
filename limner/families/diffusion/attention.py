"""Attention while training on a CPU."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel

_MOST_LATENTS = 32  # a side


def choose_attention(unet: UNet2DConditionModel, text_encoder: CLIPTextModel | None, side: int) -> None:
    """Let networks attend by plain products where that trains faster, for latents of about side x side.

    torch's fused attention is slow backwards on a CPU: plain products train twice as fast. Beyond 32 latents a side
    they need gigabytes.
    """
    if torch.cuda.is_available() or side > _MOST_LATENTS:
        return
    unet.set_attn_processor(AttnProcessor())
    if text_encoder is not None:
        text_encoder.set_attn_implementation("eager")
