"""Recipes: TOML files that say how a model is trained; an unknown or out-of-range key is an error that names it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidInput, NotFound
from ..registry.manifest import SamplerDefaults

Count = Annotated[int, Field(ge=1, le=100_000_000)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Table):
    """The captioned set: a folder, or so many scenes of Storybook drawn on the spot.

    `size` is the side of the square training pictures in pixels; `held_out` the share kept for validation.
    """

    folder: Path | None = None
    storybook_count: Count = 1000
    storybook_seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 1
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=8)] = 128
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.01


class Optimisation(_Table):
    """What the one training loop needs to know, whatever it trains.

    `steps` are optimiser steps of `batch_size` examples, split into `accumulation` parts; the learning rate
    rises over `warmup` steps and falls along a cosine to `final_rate` of its peak.
    """

    steps: Count
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    accumulation: Annotated[int, Field(ge=1, le=4096)] = 1
    learning_rate: Rate = 1e-3
    final_rate: Share = 0.02
    warmup: Annotated[int, Field(ge=0)] = 100
    weight_decay: Share = 0.01
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.99
    clip: Annotated[float, Field(gt=0)] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    checkpoint_every: Count = 500
    validate_every: Count = 500
    sheet_every: Count = 500


class Autoencoder(Optimisation):
    """The picture autoencoder (diffusers' AutoencoderKL) and its loss.

    The reconstruction loss is L1 on pixels plus `edge_weight` times L1 on their differences; pixels of
    subjects weigh 1 + `mask_weight` where the set has masks; `kl_weight` multiplies the mean KL divergence.
    Until `whole_from` of the steps it learns on squares of `crop` pixels, half of them around a subject, then
    on whole pictures, as many fewer a step as they are larger.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128)
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    latent_channels: Annotated[int, Field(ge=1, le=64)] = 8
    norm_groups: Annotated[int, Field(ge=1, le=64)] = 8
    edge_weight: Weight = 1.0
    mask_weight: Weight = 2.0
    kl_weight: Weight = 1e-3
    crop: Annotated[int, Field(ge=16, le=1024)] = 64
    whole_from: Share = 0.75


class Denoiser(Optimisation):
    """The denoiser (diffusers' UNet2DConditionModel) and its text encoder (transformers' CLIPTextModel).

    `heads` is the number of attention heads at every level. The loss is the squared error of the velocity,
    weighted over timesteps by min-SNR with `snr_gamma` (0: unweighted) and over latent cells by
    1 + `mask_weight` where a subject is; `caption_dropout` of the captions are replaced by the empty one.
    For the first `simple_until` of the steps only pictures with one subject are shown, where the set says
    how many there are.
    """

    channels: tuple[int, ...] = (64, 128, 192)
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    text_layers: Annotated[int, Field(ge=1, le=24)] = 3
    text_width: Annotated[int, Field(ge=16, le=2048)] = 192
    text_heads: Annotated[int, Field(ge=1, le=32)] = 6
    text_length: Annotated[int, Field(ge=8, le=256)] = 48
    vocabulary_size: Annotated[int, Field(ge=300, le=65_536)] = 1024
    snr_gamma: Weight = 5.0
    mask_weight: Weight = 3.0
    caption_dropout: Share = 0.1
    simple_until: Share = 0.15


class About(_Table):
    """What the exported model says of itself, and what its requests get by default."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")] = "1"
    title: str
    description: str
    licence: str = "Apache-2.0"
    sampler: SamplerDefaults = SamplerDefaults()
    precision: Literal["float32", "bfloat16"] = "bfloat16"


class Recipe(_Table):
    """A whole training: the data, the autoencoder, the denoiser, the model that comes out."""

    family: Literal["diffusion"] = "diffusion"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    data: Data
    autoencoder: Autoencoder
    denoiser: Denoiser
    model: About


def read_recipe(file: Path) -> Recipe:
    """Read and check a recipe; NotFound without the file, InvalidInput naming the key that is wrong."""
    try:
        return Recipe.model_validate(tomllib.loads(file.read_text()))
    except FileNotFoundError:
        raise NotFound(f"recipe '{file}' not found") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{file}: {key}: {first['msg']}", field=key) from None
