"""Makes the graph templates of Stable Diffusion's published configurations.

    python -m limner.families.diffusion.template_export [NAME ...]

Only the shapes of the networks matter; their weights are random and are thrown away.
"""

from __future__ import annotations

import gzip
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from .checkpoint.templates import GRAPH, LISTED, TEMPLATES, Template
from .export import graph_of
from .model import build_autoencoder, build_text_encoder, build_unet
from .stages import Stage, decoder_stage, text_stage, unet_stage

Config = dict[str, Any]

_FIRST: Config = {"sample_size": 64, "cross_attention_dim": 768}
_SECOND: Config = {
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
_VAE: Config = {
    "sample_size": 512,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
_CLIP: Config = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
}  # fmt: skip
_OPEN_CLIP: Config = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16,
    "hidden_act": "gelu",
}  # fmt: skip


def published() -> dict[str, tuple[str, Config]]:
    """Name of the template -> part and configuration, of all that is published."""
    return {
        "sd1-unet": ("unet", _FIRST),
        "sd1-inpainting-unet": ("unet", _FIRST | {"in_channels": 9}),
        "sd2-unet": ("unet", _SECOND),
        "sd2-inpainting-unet": ("unet", _SECOND | {"in_channels": 9}),
        "sd1-text-encoder": ("text_encoder", _CLIP),
        "sd2-text-encoder": ("text_encoder", _OPEN_CLIP),
        "vae": ("vae", _VAE),
    }


def write_templates(folder: Path, configs: Mapping[str, tuple[str, Config]], tokens: int = 77) -> None:
    """Make a template of each configuration in its own folder under `folder`."""
    for name, (part, config) in configs.items():
        stage, network = _stage(part, config, tokens)
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        graph = graph_of(stage, template=True)
        (place / GRAPH).write_bytes(gzip.compress(graph.SerializeToString(deterministic=True), 9, mtime=0))
        (place / LISTED).write_text(_listed(part, stage, network).model_dump_json(indent=1) + "\n")


def _stage(
    part: str, config: Config, tokens: int
) -> tuple[Stage, UNet2DConditionModel | AutoencoderKL | CLIPTextModel]:
    torch.manual_seed(0)
    if part == "unet":
        unet = build_unet(config).eval()
        return unet_stage(unet, tokens), unet
    if part == "vae":
        vae = build_autoencoder(config).eval()
        side = config["sample_size"] // 2 ** (len(config["block_out_channels"]) - 1)
        return decoder_stage(vae, side, side), vae
    text = build_text_encoder(config).eval()
    return text_stage(text), text


def _listed(
    part: str, stage: Stage, network: UNet2DConditionModel | AutoencoderKL | CLIPTextModel
) -> Template:
    graph = stage.manifest()
    inputs = tuple(
        port.model_copy(update={"shape": ("B", "T", *port.shape[2:])})
        if port.name == "encoder_hidden_states"
        else port
        for port in graph.inputs
    )
    return Template(
        part=part,
        graph=stage.name,
        file=stage.file,
        config=_plain(
            network.config.to_dict() if isinstance(network, CLIPTextModel) else dict(network.config)
        ),
        defaults=_plain(_defaults(part)),
        inputs=inputs,
        outputs=graph.outputs,
    )


def _defaults(part: str) -> Config:
    """What the part's class takes where a configuration says nothing."""
    if part == "text_encoder":
        return dict(CLIPTextConfig().to_dict())
    made = UNet2DConditionModel if part == "unet" else AutoencoderKL
    arguments = inspect.signature(made.__init__).parameters.values()
    return {each.name: each.default for each in arguments if each.default is not inspect.Parameter.empty}


def _plain(config: Mapping[str, Any]) -> Config:
    """A configuration as JSON gives it back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(published())
    write_templates(TEMPLATES, {name: published()[name] for name in chosen})
