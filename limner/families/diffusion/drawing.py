"""What a denoiser makes of pictures that are there: latents as rough as it leaves them, and what they should show.

A decoder that has seen only what the encoder makes, or noise, does not know in which ways a denoiser is wrong. So some
pictures are drawn beside their true layout from noise alone, some from halfway on, and some from later on without
help: the subjects in them should be those of the picture, whatever else has become of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from transformers import CLIPTextModel

from ...registry.manifest import SamplerDefaults
from ...training.precision import autocast
from .. import layout
from .denoiser_stage import noise_schedule
from .kept import Arrays, kept
from .loss import noised
from .sampling import sampled

_AT_ONCE = {"cuda": 512}  # else 32
_LEAST_PARTS = 8  # parts are drawn in different ways
_FROM_NOISE = 0.03  # what background counts where the picture's own is not to be seen


class Captioned(Protocol):
    """Pictures and what is said of them: latents (N, C, h, w) float16, tokens (M, T) of all captions, and of which row
    on those of each picture are."""

    @property
    def latents(self) -> NDArray[np.float16]: ...

    @property
    def tokens(self) -> NDArray[np.int32]: ...

    @property
    def first(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class Drawn:
    """Latents (N, C, h, w) float16 that a denoiser drew in so many seconds, and how much the background of each picture
    counts, (N,)."""

    latents: NDArray[np.float16]
    ground: NDArray[np.float32]
    seconds: float = 0.0


@dataclass(frozen=True)
class _Way:
    """How some pictures are drawn: from which step on, and whether beside their true layout."""

    begin: int
    beside: bool

    @classmethod
    def of(cls, rng: np.random.Generator, steps: int) -> _Way:
        kind, share = rng.random(2)
        if kind < 0.3:
            return cls(0, True)
        if kind < 0.65:
            return cls(int(steps * (0.15 + 0.4 * share)), True)
        return cls(int(steps * (0.45 + 0.45 * share)), False)


@torch.no_grad()
def drawn(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    empty: Tensor,
    examples: Captioned,
    sampler: SamplerDefaults,
    seed: int,
) -> Drawn:
    """Draw examples whose latents end with their true layout; always the same on one kind of device.

    `empty` (1, T) are the tokens of nothing. The caption is the longest of a picture's where it is drawn from noise,
    else any. Steps and guidance are `sampler`'s.
    """
    first, count = next(unet.parameters()), len(examples.latents)
    device = first.device
    at_once = min(_AT_ONCE.get(device.type, 32), max(1, -(-count // _LEAST_PARTS)))
    made, ground = np.empty_like(examples.latents), np.ones(count, np.float32)
    began = time.monotonic()
    for at in track(range(0, count, at_once), "drawing for the decoder"):
        part = slice(at, min(at + at_once, count))
        rng = np.random.Generator(np.random.SFC64([seed, at]))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        way = _Way.of(rng, sampler.steps)
        true = torch.from_numpy(examples.latents[part]).float()
        noise = torch.randn(true.shape, generator=generator).to(device)
        tokens = torch.from_numpy(_captions(examples, part, way.begin == 0, empty, rng)).long()
        scheduler = noise_schedule()
        scheduler.set_timesteps(sampler.steps)
        timestep = int(scheduler.timesteps[way.begin])
        alpha_bar, true = scheduler.alphas_cumprod[timestep].to(device).expand(len(true)), true.to(device)
        with autocast(device.type, "bfloat16"), torch.compiler.set_stance("force_eager"):
            both = torch.cat([empty.expand(len(tokens), -1), tokens]).to(device)
            latents = sampled(
                unet,
                scheduler,
                noised(true, noise, alpha_bar) if way.begin else noise,
                text_encoder(input_ids=both).last_hidden_state.to(first.dtype),
                sampler.steps,
                sampler.guidance_scale,
                begin=way.begin,
                guided=sampler.guidance_interval,
                beside=(true[:, -layout.CHANNELS :], noise[:, -layout.CHANNELS :]) if way.beside else None,
            )
        made[part] = latents.cpu().numpy().astype(np.float16)
        # the noisier it began, the less of the picture's own background is left
        ground[part] = np.clip((850 - timestep) / 450, 0.1, 1.0) if way.begin else _FROM_NOISE
    return Drawn(made, ground, time.monotonic() - began)


def drawn_once(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    empty: Tensor,
    examples: Captioned,
    sampler: SamplerDefaults,
    seed: int,
    file: Path,
    mark: str,
) -> Drawn:
    """As `drawn`, kept on disk in `file` while the `mark` of what they are drawn by is this one."""

    def draw() -> Arrays:
        made = drawn(unet, text_encoder, empty, examples, sampler, seed)
        return {"latents": made.latents, "ground": made.ground, "seconds": np.array([made.seconds])}

    found = kept(file, f"{mark} {sampler} {seed} {len(examples.latents)}", draw)
    return Drawn(found["latents"], found["ground"], float(found["seconds"][0]))


def _captions(
    examples: Captioned, part: slice, longest: bool, empty: Tensor, rng: np.random.Generator
) -> NDArray[np.int32]:
    """The tokens (n, T) of one caption of each picture."""
    rows = []
    for first, after in zip(examples.first[:-1][part], examples.first[1:][part], strict=True):
        captions = examples.tokens[first:after]
        lengths = (captions != int(empty[0, -1])).sum(1)  # an empty text ends in padding
        rows.append(captions[lengths.argmax() if longest else rng.integers(len(captions))])
    return np.stack(rows)
