"""Makes the graph templates of Stable Diffusion's published configurations.

    python -m limner.families.diffusion.template_export [NAME ...]

Only the shapes of the networks matter; their weights are random and are thrown away.
"""

from __future__ import annotations

import gzip
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from huggingface_hub.errors import StrictDataclassError
from transformers import CLIPTextConfig, CLIPTextModel

from ...errors import InvalidInput
from .checkpoint.templates import GRAPH, LISTED, TEMPLATES, Template
from .export import graph_of
from .stages import Stage, decoder_stage, encoder_stage, text_stage, tiny_stage, unet_stage

Config = dict[str, Any]
_Network: TypeAlias = UNet2DConditionModel | AutoencoderKL | AutoencoderTiny | CLIPTextModel

_TOKENS, _SIDE = 77, 64  # of the inputs that a graph is made with; it takes others

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
        "sd2-unet": ("unet", _SECOND),
        "sd1-text-encoder": ("text_encoder", _CLIP),
        "sd2-text-encoder": ("text_encoder", _OPEN_CLIP),
        "sd1-inpainting-unet": ("unet", _FIRST | {"in_channels": 9}),
        "sd2-inpainting-unet": ("unet", _SECOND | {"in_channels": 9}),
        "vae": ("vae", _VAE),
        "tiny-decoder": ("tiny_vae", {}),
    }


def write_templates(folder: Path, configs: Mapping[str, tuple[str, Config]]) -> None:
    """Make a template of each graph of each configuration, in its own folder under `folder`.

    InvalidInput where a part's class does not take its configuration, or what it makes of it cannot be exported.
    """
    for name, (part, config) in configs.items():
        with _refusing(part, "built"):
            network = _network(part, config)
        for stage in _stages(network):
            place = folder / (f"{name}-encoder" if stage.name == "vae_encoder" else name)
            place.mkdir(parents=True, exist_ok=True)
            with _refusing(part, "exported"):
                graph = graph_of(stage, template=True).SerializeToString(deterministic=True)
            (place / GRAPH).write_bytes(gzip.compress(graph, 9, mtime=0))
            (place / LISTED).write_text(
                _listed(part, stage, network).model_dump_json(indent=1) + "\n", encoding="utf-8"
            )


def _network(part: str, config: Config) -> _Network:
    torch.manual_seed(0)
    told = {key: value for key, value in config.items() if not key.startswith("_")}
    match part:
        case "unet":
            return UNet2DConditionModel.from_config(told).eval()
        case "tiny_vae":
            return AutoencoderTiny.from_config(told).eval()
        case "vae":
            return AutoencoderKL.from_config(told).eval()
        case _:
            return CLIPTextModel(CLIPTextConfig(**told)).eval()


_REFUSALS = (
    RuntimeError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError, StrictDataclassError,
)  # fmt: skip


@contextmanager
def _refusing(part: str, done: str) -> Iterator[None]:
    """Tell errors of torch's and of the network's class as InvalidInput: what they say first is in the last cause."""
    try:
        yield
    except _REFUSALS as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        gist = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise InvalidInput(f"the configuration of the {part} cannot be {done}: {gist}") from None


def _stages(network: _Network) -> list[Stage]:
    if isinstance(network, UNet2DConditionModel):
        return [unet_stage(network, _TOKENS)]
    if isinstance(network, AutoencoderKL):
        return [stage(network, _SIDE, _SIDE) for stage in (decoder_stage, encoder_stage)]
    if isinstance(network, AutoencoderTiny):
        return [tiny_stage(network, _SIDE, _SIDE)]
    return [text_stage(network)]


def _listed(part: str, stage: Stage, network: _Network) -> Template:
    graph = stage.manifest(any_size=True)
    config = network.config.to_dict() if isinstance(network, CLIPTextModel) else dict(network.config)
    weights = network.state_dict()
    if isinstance(network, AutoencoderTiny):  # which may come without its encoder, and tells one thing twice
        weights = {name: weight for name, weight in weights.items() if name.startswith("decoder.")}
        del config["block_out_channels"]
    return Template(
        part=part,
        graph=stage.name,
        file=stage.file,
        config=_plain(config),
        defaults=_plain(_defaults(part)),
        inputs=graph.inputs,
        outputs=graph.outputs,
        weights={name: tuple(weight.shape) for name, weight in weights.items()},
    )


def _defaults(part: str) -> Config:
    """What the part's class takes where a configuration says nothing."""
    if part == "text_encoder":
        return dict(CLIPTextConfig().to_dict())
    classes = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "tiny_vae": AutoencoderTiny}
    made = classes[part]
    arguments = inspect.signature(made.__init__).parameters.values()
    return {each.name: each.default for each in arguments if each.default is not inspect.Parameter.empty}


def _plain(config: Mapping[str, Any]) -> Config:
    """A configuration as JSON gives it back, without the class's own notes."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in config.items()
        if not key.startswith("_")
    }


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(published())
    write_templates(TEMPLATES, {name: published()[name] for name in chosen})
