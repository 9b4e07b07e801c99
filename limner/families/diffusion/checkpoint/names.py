"""Names of weights: from the original layout of Stable Diffusion, one file for all parts, to diffusers' layout.

The original layout is that of the published `.safetensors` checkpoints; every renaming is here. Tensors keep
their bytes: a 1x1 convolution that diffusers holds as a matrix differs in its shape alone, and the joined
query, key and value of OpenCLIP are thirds of one run of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ....errors import InvalidInput
from ....registry.weight_files import Stored

Part = dict[str, Stored]

_NUMBER = r"\d{1,2}"  # of a block
_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
_CLIP, _OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_UNET_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_VAE_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_VAE_MIDDLE = {"block_1": "resnets.0", "attn_1": "attentions.0", "block_2": "resnets.1"}
_OPEN_CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_OPEN_CLIP_ENDS = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_OPEN_CLIP_KEPT = 23  # of 24 layers, by those who write checkpoints without the last
_NOT_NEEDED = ("text_projection", "logit_scale", "attn_mask", "position_ids")


def is_original(index: Mapping[str, Stored]) -> bool:
    """Whether a file's tensors are named as in the original layout."""
    return any(name.startswith(_UNET) for name in index)


def from_original(index: Mapping[str, Stored]) -> dict[str, Part]:
    """The parts unet, vae and text_encoder under diffusers' names; other tensors of the file are left aside.

    InvalidInput names what is missing, or a tensor whose name has no place in diffusers' layout.
    """
    begin = {"unet": (_UNET,), "vae": (_VAE,), "text_encoder": (_CLIP, _OPEN_CLIP)}
    if lacking := [
        part for part, start in begin.items() if not any(name.startswith(start) for name in index)
    ]:
        raise InvalidInput(
            f"the checkpoint lacks its {' and '.join(lacking)}; a whole checkpoint has unet, vae and text encoder"
        )
    return {
        "unet": _renamed(index, _UNET, _unet(index)),
        "vae": _vae(index),
        "text_encoder": _text_encoder(index),
    }


def _renamed(index: Mapping[str, Stored], prefix: str, names: Mapping[str, str]) -> Part:
    found: Part = {}
    for name, tensor in index.items():
        if not name.startswith(prefix):
            continue
        inner = name.removeprefix(prefix)
        owner, _, leaf = inner.rpartition(".")
        place = max((at for at in names if owner == at or owner.startswith(at + ".")), key=len, default=None)
        if place is None:
            raise InvalidInput(f"tensor {name!r} has no place in Stable Diffusion 1 or 2")
        found[f"{names[place]}{owner[len(place) :]}.{leaf}"] = tensor
    return found


def _unet(index: Mapping[str, Stored]) -> dict[str, str]:
    """Where each module of the original UNet goes."""
    inner = [name.removeprefix(_UNET) for name in index if name.startswith(_UNET)]
    names = dict(_UNET_ENDS)
    for at, to in _MIDDLE.items():
        names |= _block(f"middle_block.{at}", f"mid_block.{to}")
    per_level = _layers(inner) + 1  # resnets of a level, and what changes the size
    for number, modules in _blocks(inner, "input_blocks"):
        if number == 0:
            continue
        level, k = divmod(number - 1, per_level)
        if "0.op" in modules:
            names[f"input_blocks.{number}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
            continue
        names |= _block(f"input_blocks.{number}.0", f"down_blocks.{level}.resnets.{k}")
        names[f"input_blocks.{number}.1"] = f"down_blocks.{level}.attentions.{k}"
    for number, modules in _blocks(inner, "output_blocks"):
        level, k = divmod(number, per_level)
        names |= _block(f"output_blocks.{number}.0", f"up_blocks.{level}.resnets.{k}")
        names[f"output_blocks.{number}.1"] = f"up_blocks.{level}.attentions.{k}"
        for last in ("1.conv", "2.conv"):
            if last in modules:
                names[f"output_blocks.{number}.{last}"] = f"up_blocks.{level}.upsamplers.0.conv"
    return names


def _layers(inner: list[str]) -> int:
    """Resnets of a level on the way down: what comes before the first block that halves the size."""
    halving = [
        int(name.split(".")[1])
        for name in inner
        if re.fullmatch(r"input_blocks\.\d{1,2}\.0\.op\.weight", name)
    ]
    numbers = [int(name.split(".")[1]) for name in inner if re.match(rf"input_blocks\.{_NUMBER}\.", name)]
    layers = min(halving) - 1 if halving else max(numbers, default=1)
    if layers < 1:
        raise InvalidInput(
            "the checkpoint's unet begins with a level without resnets: it is no Stable Diffusion"
        )
    return layers


def _blocks(inner: list[str], kind: str) -> Iterator[tuple[int, set[str]]]:
    """Each numbered block of a kind, with the first two steps of its modules' names."""
    found: dict[int, set[str]] = {}
    for name in inner:
        steps = name.split(".")
        if steps[0] == kind and len(steps) > 3 and re.fullmatch(_NUMBER, steps[1]):
            found.setdefault(int(steps[1]), set()).add(".".join(steps[2:4]))
    yield from sorted(found.items())


def _block(at: str, to: str) -> dict[str, str]:
    """A resnet, whose inner modules have other names, or an attention, whose have not."""
    return {at: to} | {f"{at}.{old}": f"{to}.{new}" for old, new in _RESNET.items()}


def _vae(index: Mapping[str, Stored]) -> Part:
    levels = 1 + max(
        (
            int(found[1])
            for name in index
            if (found := re.match(r"first_stage_model\.decoder\.up\.(\d{1,2})\.", name))
        ),
        default=0,
    )
    names = {side + ".norm_out": side + ".conv_norm_out" for side in ("encoder", "decoder")}
    names |= {
        plain: plain
        for plain in ("encoder.conv_in", "encoder.conv_out", "decoder.conv_in", "decoder.conv_out")
    }
    names |= {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv"}
    for side in ("encoder", "decoder"):
        for old, new in _VAE_MIDDLE.items():
            names[f"{side}.mid.{old}"] = f"{side}.mid_block.{new}"
        for old, new in _VAE_ATTENTION.items():
            names[f"{side}.mid.attn_1.{old}"] = f"{side}.mid_block.attentions.0.{new}"
    for level in range(levels):
        up = levels - 1 - level
        names[f"encoder.down.{level}.downsample"] = f"encoder.down_blocks.{level}.downsamplers.0"
        names[f"decoder.up.{level}.upsample"] = f"decoder.up_blocks.{up}.upsamplers.0"
        names[f"encoder.down.{level}.block"] = f"encoder.down_blocks.{level}.resnets"
        names[f"decoder.up.{level}.block"] = f"decoder.up_blocks.{up}.resnets"
    parts = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
    kept = {n: t for n, t in index.items() if n.startswith(tuple(_VAE + part for part in parts))}
    named = {n.replace("nin_shortcut", "conv_shortcut"): t for n, t in _renamed(kept, _VAE, names).items()}
    return {
        n: replace(t, shape=t.shape[:2]) if ".attentions." in n and t.shape[2:] == (1, 1) else t
        for n, t in named.items()
    }


def _text_encoder(index: Mapping[str, Stored]) -> Part:
    if any(name.startswith(_OPEN_CLIP) for name in index):
        return dict(
            _open_clip({n.removeprefix(_OPEN_CLIP): t for n, t in index.items() if n.startswith(_OPEN_CLIP)})
        )
    found: Part = {}
    for name, tensor in index.items():
        if name.startswith(_CLIP) and not name.endswith(_NOT_NEEDED):
            found["text_model." + name.removeprefix(_CLIP).removeprefix("text_model.")] = tensor
    return found


def _open_clip(index: Mapping[str, Stored]) -> Iterator[tuple[str, Stored]]:
    """OpenCLIP's text encoder as Stable Diffusion 2 uses it: what its last layer but one gives, without the last, which
    published files have, and files that were made of diffusers' layout have not."""
    layers = 1 + max(
        (
            int(found[1])
            for name in index
            if (found := re.match(r"transformer\.resblocks\.(\d{1,2})\.", name))
        ),
        default=0,
    )
    for name, tensor in index.items():
        if name in _OPEN_CLIP_ENDS:
            yield f"text_model.{_OPEN_CLIP_ENDS[name]}", tensor
            continue
        found = re.fullmatch(r"transformer\.resblocks\.(\d{1,2})\.(.+?)[._](weight|bias)", name)
        if found is None:
            if name.endswith(_NOT_NEEDED):
                continue
            raise InvalidInput(
                f"tensor {_OPEN_CLIP + name!r} has no place in Stable Diffusion 2's text encoder"
            )
        layer, module, leaf = found.groups()
        if int(layer) == layers - 1 and layers != _OPEN_CLIP_KEPT:
            continue
        to = f"text_model.encoder.layers.{layer}."
        if module == "attn.in_proj":
            if not tensor.shape or tensor.shape[0] % 3:
                raise InvalidInput(
                    f"tensor {_OPEN_CLIP + name!r} is {list(tensor.shape)}: not query, key and value"
                )
            third = tensor.length // 3
            for k, one in enumerate("qkv"):
                piece = replace(
                    tensor,
                    shape=(tensor.shape[0] // 3, *tensor.shape[1:]),
                    offset=tensor.offset + k * third,
                    length=third,
                )
                yield f"{to}self_attn.{one}_proj.{leaf}", piece
        elif module in _OPEN_CLIP_LAYER:
            yield f"{to}{_OPEN_CLIP_LAYER[module]}.{leaf}", tensor
        else:
            raise InvalidInput(
                f"tensor {_OPEN_CLIP + name!r} has no place in Stable Diffusion 2's text encoder"
            )
