"""Tiny checkpoints in exactly the published layouts: a diffusers folder, and one file as CompVis wrote it.

The original names are written out here from the module tree of the original code, not by reversing Limner's table.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from diffusers import PNDMScheduler
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTokenizer

from limner.families.diffusion.checkpoint.clip import write_tokenizer
from limner.families.diffusion.model import (
    build_autoencoder,
    build_text_encoder,
    build_unet,
    save_pipeline,
)

SIDE = 16  # of latents: small pictures, which are drawn quickly
FIRST = {
    "sample_size": SIDE,
    "block_out_channels": (32, 64),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 64,
}
SECOND = FIRST | {
    "block_out_channels": (64, 128),
    "attention_head_dim": (1, 2),
    "use_linear_projection": True,
}
VAE = {
    "block_out_channels": (32, 32, 32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 8 * SIDE,
}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 1,
    "projection_dim": 64,
    "hidden_act": "quick_gelu",
}


def make_folder(folder: Path, second: bool = False, dtype: torch.dtype = torch.float16) -> Path:
    """A diffusers pipeline of a tiny Stable Diffusion 1 or 2."""
    torch.manual_seed(3)
    write_tokenizer(folder / "words", second)
    text = build_text_encoder(TEXT | ({"hidden_act": "gelu"} if second else {}))
    for name, weight in text.named_parameters():
        if name.endswith("final_layer_norm.bias"):
            weight.data += 0.3  # encodings of a trained model have a mean
    save_pipeline(
        folder / "pipeline",
        unet=build_unet(SECOND if second else FIRST),
        vae=build_autoencoder(VAE),
        text_encoder=text,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "words", model_max_length=77),
        scheduler=PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            steps_offset=1,
            prediction_type="v_prediction" if second else "epsilon",
        ),
        dtype=dtype,
    )
    return folder / "pipeline"


def make_file(folder: Path, pipeline: Path, second: bool = False) -> Path:
    """The same weights in one file, named as the original code names them."""
    from safetensors.torch import load_file

    found: dict[str, Tensor] = {}
    unet = load_file(pipeline / "unet" / "diffusion_pytorch_model.safetensors")
    for name, tensor in unet.items():
        found["model.diffusion_model." + unet_name(name)] = tensor
    vae = load_file(pipeline / "vae" / "diffusion_pytorch_model.safetensors")
    for name, tensor in vae.items():
        original, kernel = (
            vae_name(name),
            ".attentions." in name and name.endswith("weight") and tensor.ndim == 2,
        )
        found["first_stage_model." + original] = tensor[:, :, None, None] if kernel else tensor
    text = load_file(pipeline / "text_encoder" / "model.safetensors")
    text = {"text_model." + name.removeprefix("text_model."): tensor for name, tensor in text.items()}
    found |= _open_clip(text) if second else {"cond_stage_model.transformer." + n: t for n, t in text.items()}
    found["model_ema.decay"] = torch.zeros(())
    found["betas"] = torch.zeros(1000)
    file = folder / "checkpoint.safetensors"
    save_file({name: tensor.contiguous().clone() for name, tensor in found.items()}, file)
    return file


_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}


def unet_name(name: str) -> str:
    """The original name of a weight of a UNet with two levels of two resnets.

    On the way down: 0 the first convolution, 1 and 2 the first level, 3 halves, 4 and 5 the second level; on the way
    up: 0 to 2 the lower level, the last of which doubles, 3 to 5 the upper.
    """
    simple = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
        "up_blocks.0.upsamplers.0.conv": "output_blocks.2.1.conv",
    }
    owner, _, leaf = name.rpartition(".")
    if owner in simple:
        return f"{simple[owner]}.{leaf}"
    places = {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
    places["mid_block.resnets.1"] = "middle_block.2"
    for k in range(2):
        places |= {f"down_blocks.0.{kind}.{k}": f"input_blocks.{1 + k}.{n}" for n, kind in _KINDS}
        places |= {f"down_blocks.1.{kind}.{k}": f"input_blocks.{4 + k}.{n}" for n, kind in _KINDS}
    for k in range(3):
        places |= {
            f"up_blocks.{b}.{kind}.{k}": f"output_blocks.{3 * b + k}.{n}"
            for b in (0, 1)
            for n, kind in _KINDS
        }
    place = next(at for at in places if name.startswith(at + "."))
    rest = name[len(place) + 1 :]
    if ".resnets." in name:
        module, _, leaf = rest.rpartition(".")
        rest = f"{_RESNET[module]}.{leaf}"
    return f"{places[place]}.{rest}"


_KINDS = ((0, "resnets"), (1, "attentions"))


def vae_name(name: str) -> str:
    """The original name of a weight of an autoencoder of four levels."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    for new, old in (
        ("group_norm", "norm"),
        ("to_q", "q"),
        ("to_k", "k"),
        ("to_v", "v"),
        ("to_out.0", "proj_out"),
    ):
        name = name.replace(f"mid_block.attentions.0.{new}", f"mid.attn_1.{old}")
    name = re.sub(r"encoder\.down_blocks\.(\d)\.resnets\.(\d)", r"encoder.down.\1.block.\2", name)
    name = re.sub(r"encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    name = re.sub(
        r"decoder\.up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"decoder.up.{3 - int(m[1])}.block.{m[2]}", name
    )
    return re.sub(
        r"decoder\.up_blocks\.(\d)\.upsamplers\.0", lambda m: f"decoder.up.{3 - int(m[1])}.upsample", name
    )


def _open_clip(text: dict[str, Tensor]) -> dict[str, Tensor]:
    """OpenCLIP's names, with a further last layer, which Stable Diffusion 2 does not use."""
    found: dict[str, Tensor] = {}
    layers = {f"text_model.encoder.layers.{k}." for k in range(3)}
    for k, layer in enumerate(sorted(layers)):
        own = {name.removeprefix(layer): tensor for name, tensor in text.items() if name.startswith(layer)}
        at = f"transformer.resblocks.{k}."
        for leaf in ("weight", "bias"):
            found[f"{at}attn.in_proj_{leaf}"] = torch.cat(
                [own[f"self_attn.{one}_proj.{leaf}"] for one in "qkv"]
            )
            found[f"{at}attn.out_proj.{leaf}"] = own[f"self_attn.out_proj.{leaf}"]
            found[f"{at}ln_1.{leaf}"], found[f"{at}ln_2.{leaf}"] = (
                own[f"layer_norm1.{leaf}"],
                own[f"layer_norm2.{leaf}"],
            )
            found[f"{at}mlp.c_fc.{leaf}"], found[f"{at}mlp.c_proj.{leaf}"] = (
                own[f"mlp.fc1.{leaf}"],
                own[f"mlp.fc2.{leaf}"],
            )
    found |= {
        n.replace("blocks.2.", "blocks.3."): torch.full_like(t, 7)
        for n, t in found.items()
        if "blocks.2." in n
    }
    found["positional_embedding"] = text["text_model.embeddings.position_embedding.weight"]
    found["token_embedding.weight"] = text["text_model.embeddings.token_embedding.weight"]
    found["ln_final.weight"] = text["text_model.final_layer_norm.weight"]
    found["ln_final.bias"] = text["text_model.final_layer_norm.bias"]
    found["text_projection"], found["logit_scale"] = torch.zeros(64, 64), torch.zeros(())
    return {f"cond_stage_model.model.{name}": tensor for name, tensor in found.items()}
