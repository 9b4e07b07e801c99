"""The networks of a diffusion model as stages: what each takes, gives, and is called in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from ...registry.manifest import Graph
from ...registry.manifest import Tensor as Port
from .checkpoint.reading import WEIGHTS
from .model import latent_factor

_STATES = "encoder_hidden_states"


class _TextEncoder(nn.Module):
    def __init__(self, network: CLIPTextModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor) -> Tensor:
        states: Tensor = self.network(input_ids=input_ids).last_hidden_state  # (B, T, D)
        return states


class _Unet(nn.Module):
    def __init__(self, network: UNet2DConditionModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        prediction: Tensor = self.network(sample, timestep, encoder_hidden_states, return_dict=False)[0]
        return prediction  # (B, C, h, w)


class _Decoder(nn.Module):
    def __init__(self, network: AutoencoderKL) -> None:
        super().__init__()
        self.network = network

    def forward(self, latent_sample: Tensor) -> Tensor:
        picture: Tensor = self.network.decode(latent_sample, return_dict=False)[0]
        return picture  # (B, 3, H, W)


class _TinyDecoder(nn.Module):
    def __init__(self, network: AutoencoderTiny) -> None:
        super().__init__()
        self.network = network

    def forward(self, latent_sample: Tensor) -> Tensor:
        picture: Tensor = self.network.decode(latent_sample, return_dict=False)[0]
        return picture  # (B, 3, H, W)


class _Encoder(nn.Module):
    def __init__(self, network: AutoencoderKL) -> None:
        super().__init__()
        self.network = network

    def forward(self, sample: Tensor) -> Tensor:
        parameters: Tensor = self.network.encode(sample).latent_dist.parameters
        return parameters  # (B, 2 C, h, w): means, then logarithms of variances


@dataclass(frozen=True)
class Stage:
    """One graph to be: its torch network, its ports without the batch axis, and how to make inputs.

    Sides of latents must be multiples of `whole` where they may vary.
    """

    name: str
    file: str
    weights: str
    network: nn.Module
    inputs: dict[str, tuple[int, ...]]
    output: tuple[str, tuple[int, ...]]
    vocabulary: int = 0
    scaling_factor: float = 1.0
    whole: int = 1

    def random_inputs(self, rows: int, seed: int) -> dict[str, Tensor]:
        """Inputs of `rows` rows: normal numbers, tokens of the vocabulary, timesteps in 0..999."""
        generator = torch.Generator().manual_seed(seed)
        made = {}
        for name, shape in self.inputs.items():
            if name == "input_ids":
                made[name] = torch.randint(self.vocabulary, (rows, *shape), generator=generator)
            elif name == "timestep":
                made[name] = torch.rand((rows,), generator=generator) * 999
            else:
                made[name] = torch.randn((rows, *shape), generator=generator)
        return made

    def manifest(self, any_size: bool = False) -> Graph:
        """What the manifest says of this graph; of one for `any_size`, that it takes any number of tokens."""
        shapes: dict[str, tuple[int | str, ...]] = dict(self.inputs)
        if any_size and _STATES in shapes:
            shapes[_STATES] = ("T", *shapes[_STATES][1:])
        inputs = tuple(
            Port(name=name, dtype="int64" if name == "input_ids" else "float32", shape=("B", *shape))
            for name, shape in shapes.items()
        )
        name, shape = self.output
        return Graph(
            path=self.file,
            inputs=inputs,
            outputs=(Port(name=name, dtype="float32", shape=("B", *shape)),),
            parameters=sum(weight.numel() for part in self._parts() for weight in part.parameters()),
        )

    def _parts(self) -> list[nn.Module]:
        if isinstance(self.network, _Decoder):
            vae = self.network.network
            return [part for part in (vae.post_quant_conv, vae.decoder) if part is not None]
        if isinstance(self.network, _Encoder):
            vae = self.network.network
            return [part for part in (vae.encoder, vae.quant_conv) if part is not None]
        if isinstance(self.network, _TinyDecoder):
            return [self.network.network.decoder]
        return [self.network]


def load_stages(directory: Path) -> list[Stage]:
    """Text encoder, UNet, decoder and encoder of a diffusers folder, in float32, in this order."""
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    text = CLIPTextModel.from_pretrained(directory / "text_encoder", dtype=torch.float32, **options).eval()
    unet = UNet2DConditionModel.from_pretrained(
        directory / "unet", torch_dtype=torch.float32, **options
    ).eval()
    vae = AutoencoderKL.from_pretrained(directory / "vae", torch_dtype=torch.float32, **options).eval()
    size = unet.config.sample_size
    h, w = (size, size) if isinstance(size, int) else size
    return [
        text_stage(text),
        unet_stage(unet, text.config.max_position_embeddings),
        decoder_stage(vae, h, w),
        encoder_stage(vae, h, w),
    ]


def text_stage(text: CLIPTextModel) -> Stage:
    """The text encoder's graph."""
    tokens, width = text.config.max_position_embeddings, text.config.hidden_size
    return Stage(
        "text_encoder",
        "text_encoder/model.onnx",
        f"{WEIGHTS['text_encoder']}.safetensors",
        _TextEncoder(text),
        {"input_ids": (tokens,)},
        ("last_hidden_state", (tokens, width)),
        text.config.vocab_size,
    )


def unet_stage(unet: UNet2DConditionModel, tokens: int) -> Stage:
    """The denoiser's graph, for texts of `tokens` tokens."""
    config = unet.config
    h, w = (config.sample_size,) * 2 if isinstance(config.sample_size, int) else config.sample_size
    return Stage(
        "unet",
        "unet/model.onnx",
        f"{WEIGHTS['unet']}.safetensors",
        _Unet(unet),
        {
            "sample": (config.in_channels, h, w),
            "timestep": (),
            _STATES: (tokens, config.cross_attention_dim),
        },
        ("out_sample", (config.out_channels, h, w)),
        whole=2 ** (len(config.block_out_channels) - 1),
    )


def decoder_stage(vae: AutoencoderKL, h: int, w: int) -> Stage:
    """The graph from latents of h x w to pictures."""
    factor = latent_factor(vae)
    return Stage(
        "vae_decoder",
        "vae/decoder.onnx",
        f"{WEIGHTS['vae']}.safetensors",
        _Decoder(vae),
        {"latent_sample": (vae.config.latent_channels, h, w)},
        ("sample", (vae.config.out_channels, h * factor, w * factor)),
        scaling_factor=vae.config.scaling_factor,
    )


def tiny_stage(vae: AutoencoderTiny, h: int, w: int) -> Stage:
    """The graph of a tiny decoder, from latents of h x w to pictures."""
    factor = 2 ** (len(vae.config.num_decoder_blocks) - 1)
    return Stage(
        "tiny_decoder",
        "tiny_vae/decoder.onnx",
        f"{WEIGHTS['vae']}.safetensors",
        _TinyDecoder(vae),
        {"latent_sample": (vae.config.latent_channels, h, w)},
        ("sample", (vae.config.out_channels, h * factor, w * factor)),
    )


def encoder_stage(vae: AutoencoderKL, h: int, w: int) -> Stage:
    """The graph from pictures to the parameters of the posterior of latents of h x w."""
    factor = latent_factor(vae)
    return Stage(
        "vae_encoder",
        "vae/encoder.onnx",
        f"{WEIGHTS['vae']}.safetensors",
        _Encoder(vae),
        {"sample": (vae.config.in_channels, h * factor, w * factor)},
        ("latent_parameters", (2 * vae.config.latent_channels, h, w)),
        whole=factor,
    )
