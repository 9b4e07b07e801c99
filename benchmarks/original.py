"""A diffusers folder of Stable Diffusion 1 as one file in the original layout, which stable-diffusion.cpp reads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from limner.registry.weight_files import copied, read_index, write

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET = (
    (r"conv_in", "input_blocks.0.0"),
    (r"time_embedding\.linear_1", "time_embed.0"),
    (r"time_embedding\.linear_2", "time_embed.2"),
    (r"conv_norm_out", "out.0"),
    (r"conv_out", "out.2"),
)
_VAE = (
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
)
_FILES = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


def write_original(folder: Path, out: Path) -> None:
    """Write the weights of a diffusers folder into the file `out`, a run of bytes at a time."""
    found = {}
    for part, stem in _FILES.items():
        file = folder / part / f"{stem}.safetensors"
        for name, stored in read_index(file).items():
            tensor = copied(file, stored)
            if part == "vae" and ".attentions." in name and len(tensor.shape) == 2:
                tensor = replace(tensor, shape=(*tensor.shape, 1, 1))
            found[_original(part, name)] = tensor
    write(out, found)


def _original(part: str, name: str) -> str:
    if part == "text_encoder":
        return f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"
    if part == "vae":
        for old, new in _VAE:
            name = re.sub(old, new, name)
        # The original counts the levels of the decoder from the finest.
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda at: f"up.{3 - int(at[1])}.block", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda at: f"up.{3 - int(at[1])}.upsample", name)
        return f"first_stage_model.{name}"
    return f"model.diffusion_model.{_unet(name)}"


def _unet(name: str) -> str:
    for old, new in _UNET:
        if re.match(rf"{old}\.(weight|bias)$", name):
            return re.sub(f"^{old}", new, name)
    found = re.match(r"(down|up|mid)_block(?:s\.(\d))?\.(resnets|attentions|\w+samplers)\.(\d)\.(.+)", name)
    assert found is not None, name
    side, level, kind, number, rest = found[1], int(found[2] or 0), found[3], int(found[4]), found[5]
    if kind == "resnets":
        module, _, leaf = rest.rpartition(".")
        rest = f"{_RESNET[module]}.{leaf}"
    inner = {"resnets": "0", "attentions": "1"}.get(kind)
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * number}.{rest}"
    if side == "down":
        if inner is None:
            return f"input_blocks.{3 * level + 3}.0.{rest.replace('conv', 'op')}"
        return f"input_blocks.{3 * level + number + 1}.{inner}.{rest}"
    if inner is None:
        return f"output_blocks.{3 * level + 2}.{2 if level else 1}.{rest}"
    return f"output_blocks.{3 * level + number}.{inner}.{rest}"
