"""The configurations of a checkpoint in the original layout, which has none: read off the shapes of its tensors.

What shapes do not tell is as published for Stable Diffusion 1 and 2 (Rombach et al., 2022): eight heads a level and
CLIP's text encoder for the first, heads of 64 channels, linear projections and OpenCLIP's for the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from ....errors import InvalidInput
from ....registry.weight_files import Written

Config = dict[str, Any]
Tensors = Mapping[str, Written]
Prediction = Literal["epsilon", "v_prediction"]

_HEAD = 64  # channels of an attention head, where their number is not fixed


def is_second(unet: Tensors) -> bool:
    """Whether a UNet is one of Stable Diffusion 2: its transformers begin with a matrix, not a convolution."""
    projections = [t for name, t in unet.items() if name.endswith("attentions.0.proj_in.weight")]
    return bool(projections) and len(projections[0].shape) == 2


def unet_config(unet: Tensors, sample_size: int) -> Config:
    """UNet2DConditionModel's arguments; `sample_size` is the side of the latents it was trained on."""
    levels = _count(unet, r"down_blocks\.(\d{1,2})\.")
    channels = [_shape(unet, f"down_blocks.{k}.resnets.0.conv1.weight")[0] for k in range(levels)]
    attends = [any(n.startswith(f"down_blocks.{k}.attentions.") for n in unet) for k in range(levels)]
    second = is_second(unet)
    first_to_k = next((n for n in unet if n.endswith("attn2.to_k.weight")), None)
    if first_to_k is None:
        raise InvalidInput(
            "the checkpoint's unet has no cross-attention: it is not one of Stable Diffusion 1 or 2"
        )
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": sample_size,
        "in_channels": _shape(unet, "conv_in.weight")[1],
        "out_channels": _shape(unet, "conv_out.weight")[0],
        "block_out_channels": channels,
        "layers_per_block": _count(unet, r"down_blocks\.0\.resnets\.(\d{1,2})\."),
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        "cross_attention_dim": _shape(unet, first_to_k, 2)[1],
        "attention_head_dim": [width // _HEAD for width in channels] if second else 8,
        "use_linear_projection": second,
        "norm_num_groups": 32,
    }


def vae_config(vae: Tensors, sample_size: int) -> Config:
    """AutoencoderKL's arguments; `sample_size` is in pixels."""
    levels = _count(vae, r"encoder\.down_blocks\.(\d{1,2})\.")
    return {
        "_class_name": "AutoencoderKL",
        "sample_size": sample_size,
        "in_channels": _shape(vae, "encoder.conv_in.weight")[1],
        "out_channels": _shape(vae, "decoder.conv_out.weight")[0],
        "latent_channels": _shape(vae, "post_quant_conv.weight")[0],
        "block_out_channels": [
            _shape(vae, f"encoder.down_blocks.{k}.resnets.0.conv1.weight")[0] for k in range(levels)
        ],
        "layers_per_block": _count(vae, r"encoder\.down_blocks\.0\.resnets\.(\d{1,2})\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "norm_num_groups": 32,
        "scaling_factor": 0.18215,
    }


def text_config(text: Tensors, second: bool) -> Config:
    """CLIPTextModel's arguments."""
    vocabulary, width = _shape(text, "text_model.embeddings.token_embedding.weight", 2)
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": _shape(text, "text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        "num_hidden_layers": _count(text, r"text_model\.encoder\.layers\.(\d{1,2})\."),
        "num_attention_heads": max(1, width // _HEAD),
        "max_position_embeddings": _shape(text, "text_model.embeddings.position_embedding.weight", 2)[0],
        "hidden_act": "gelu" if second else "quick_gelu",
        "projection_dim": 512 if second else width,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 1,
    }


def scheduler_config(prediction: Prediction) -> Config:
    """The noise schedule that both were trained on."""
    return {
        "_class_name": "PNDMScheduler",
        "num_train_timesteps": 1000,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "prediction_type": prediction,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "clip_sample": False,
    }


def _shape(tensors: Tensors, name: str, axes: int = 4) -> tuple[int, ...]:
    if name not in tensors:
        raise InvalidInput(f"the checkpoint lacks tensor {name!r}; it is not one of Stable Diffusion 1 or 2")
    shape = tensors[name].shape
    if len(shape) != axes:
        raise InvalidInput(f"the checkpoint's tensor {name!r} is {list(shape)}; it should have {axes} axes")
    return shape


def _count(tensors: Tensors, pattern: str) -> int:
    """One more than the largest number at the group of `pattern`, with which a name must begin."""
    return 1 + max((int(found[1]) for name in tensors if (found := re.match(pattern, name))), default=-1)
