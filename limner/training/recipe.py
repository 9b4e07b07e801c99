"""Recipes: TOML files that say how a model is trained; an unknown or out-of-range key is an error that names it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import InvalidInput, NotFound
from ..registry.manifest import SamplerDefaults

Count = Annotated[int, Field(ge=1, le=100_000_000)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]


Channels = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _MisfitError(ValueError):
    """What two keys say does not go together; `key` is the one to change."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _must(holds: bool, key: str, message: str) -> None:
    if not holds:
        raise _MisfitError(key, message)


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
    rises over `warmup` steps and falls along a cosine to `final_rate` of its peak. `gradient_checkpointing`
    computes activations again on the way back instead of keeping them: less memory, about a third more time.
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
    gradient_checkpointing: bool = False
    checkpoint_every: Count = 500
    validate_every: Count = 500
    sheet_every: Count = 500

    @model_validator(mode="after")
    def _parts_are_whole(self) -> Self:
        _must(
            self.batch_size % self.accumulation == 0,
            "accumulation",
            f"must divide batch_size ({self.batch_size}), and {self.accumulation} does not",
        )
        return self


class Autoencoder(Optimisation):
    """The picture autoencoder (diffusers' AutoencoderKL) and its loss.

    The reconstruction loss is L1 on pixels plus `edge_weight` times L1 on their differences; pixels of
    subjects weigh 1 + `mask_weight` where the set has masks; `kl_weight` multiplies the mean KL divergence,
    rising from zero over the first half of the steps, so that noise does not drown what is not yet learned.
    Two further terms make latents that a denoiser learns quickly: with `scale_weight`, latents halved in size
    must give the picture halved in size (Skorokhodov et al., 2025); with `subject_weight`, a small head must
    read off each latent which kind of subject it shows, where the set has masks and names them.
    Until `whole_from` of the steps it learns on squares of `crop` pixels, half of them around a subject, then
    on whole pictures, as many fewer a step as they are larger.
    """

    channels: Channels = (16, 32, 64, 128)
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    latent_channels: Annotated[int, Field(ge=1, le=64)] = 8
    norm_groups: Annotated[int, Field(ge=1, le=64)] = 8
    edge_weight: Weight = 1.0
    mask_weight: Weight = 2.0
    kl_weight: Weight = 1e-3
    scale_weight: Weight = 0.0
    subject_weight: Weight = 0.0
    crop: Annotated[int, Field(ge=16, le=1024)] = 64
    whole_from: Share = 0.75

    @property
    def factor(self) -> int:
        """Pixels of a picture to one latent, along each side."""
        return int(2 ** (len(self.channels) - 1))

    @model_validator(mode="after")
    def _channels_and_crop_fit(self) -> Self:
        _fits_groups(self.channels, self.norm_groups)
        _must(
            self.crop % self.factor == 0,
            "crop",
            f"must be a multiple of {self.factor} pixels, which {len(self.channels)} channels make, not {self.crop}",
        )
        _must(
            not self.scale_weight or self.crop % (2 * self.factor) == 0,
            "crop",
            f"must be a multiple of {2 * self.factor} pixels where scale_weight halves it, not {self.crop}",
        )
        return self


class Denoiser(Optimisation):
    """The denoiser (diffusers' UNet2DConditionModel) and its text encoder (transformers' CLIPTextModel).

    `heads` is the number of attention heads; levels from number `attention_from` on (0: the largest) attend to
    the text and to themselves. The loss is the squared error of the velocity,
    weighted over timesteps by min-SNR with `snr_gamma` (0: unweighted) and over latent cells by
    1 + `mask_weight` where a subject is; `caption_dropout` of the captions are replaced by the empty one.
    For the first `simple_until` of the steps only pictures with one subject are shown, where the set says
    how many there are. With `pooled_text` the text as a whole also reaches every block, through the timestep's
    embedding; with `subject_weight` a head on the UNet's last but one level must tell where which kind of subject
    will be, where the set has masks and names them. With `layout` the latents get three further channels that say where
    subjects are, which the set's masks tell (`families/diffusion/layout.py`).
    """

    channels: Channels = (64, 128, 192)
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    norm_groups: Annotated[int, Field(ge=1, le=64)] = 16
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    attention_from: Annotated[int, Field(ge=0, le=7)] = 0
    text_layers: Annotated[int, Field(ge=1, le=24)] = 3
    text_width: Annotated[int, Field(ge=16, le=2048)] = 192
    text_heads: Annotated[int, Field(ge=1, le=32)] = 6
    text_length: Annotated[int, Field(ge=8, le=256)] = 48
    vocabulary_size: Annotated[int, Field(ge=600, le=65_536)] = 1024
    snr_gamma: Weight = 5.0
    mask_weight: Weight = 3.0
    caption_dropout: Share = 0.1
    simple_until: Share = 0.15
    pooled_text: bool = False
    subject_weight: Weight = 0.0
    layout: bool = False

    @model_validator(mode="after")
    def _channels_and_heads_fit(self) -> Self:
        _fits_groups(self.channels, self.norm_groups)
        _must(
            self.attention_from < len(self.channels),
            "attention_from",
            f"must be below {len(self.channels)}, the number of channels, not {self.attention_from}",
        )
        for width in self.channels:
            _must(
                width % self.heads == 0, "heads", f"must divide every channels, and {self.heads} not {width}"
            )
        _must(
            self.text_width % self.text_heads == 0,
            "text_heads",
            f"must divide text_width ({self.text_width}), and {self.text_heads} does not",
        )
        return self


def _fits_groups(channels: tuple[int, ...], groups: int) -> None:
    for width in channels:
        _must(width % groups == 0, "channels", f"must be multiples of norm_groups ({groups}), not {width}")


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

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        levels = max(len(self.denoiser.channels), 2 if self.autoencoder.scale_weight else 1)
        step = self.autoencoder.factor * 2 ** (levels - 1)
        _must(
            self.data.size % step == 0,
            "data.size",
            f"must be a multiple of {step} with {len(self.autoencoder.channels)} channels of the autoencoder "
            f"and {len(self.denoiser.channels)} of the denoiser, not {self.data.size}",
        )
        return self


def read_recipe(file: Path) -> Recipe:
    """Read and check a recipe; NotFound without the file, InvalidInput naming the key that is wrong."""
    try:
        return Recipe.model_validate(tomllib.loads(file.read_text()))
    except FileNotFoundError:
        raise NotFound(f"recipe '{file}' not found") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        misfit = first.get("ctx", {}).get("error")
        parts = [*first["loc"], *([misfit.key] if isinstance(misfit, _MisfitError) else [])]
        key = ".".join(str(part) for part in parts)
        raise InvalidInput(f"{file}: {key}: {first['msg']}", field=key) from None
