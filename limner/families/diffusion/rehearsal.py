"""What a model could draw before it is tuned, rehearsed while it learns something else.

The model as it was draws sentences that it knows. Some rows of every batch are these drawings with noise on them, and
the tuned model is to say of them what the model as it was says (Li and Hoiem 2016, "Learning without Forgetting"; that
a model's own drawings stand for what it knows is from Ruiz et al. 2023, "DreamBooth").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from rich.progress import track
from torch import Tensor

from ...registry.models import Model
from ...training.cache import key_of
from ...training.precision import autocast, frozen_dtype
from ...training.sentences import from_file, storybook
from .attention import choose_attention
from .recipe import Tuning
from .sampling import sampled
from .tunable import Tunable
from .tuning_examples import Encoders

_AT_ONCE = 8
_FIELD = "tuning.rehearsal_prompts"


@dataclass(frozen=True)
class Rehearsal:
    """Latents (N, C, h, w) that the model as it was drew, as a denoiser sees them; its encodings (N, T, D) and the
    tokens (N, T) of their sentences; its denoiser. The last row of encodings and tokens is the empty text's."""

    latents: Tensor
    states: Tensor
    tokens: Tensor
    unet: UNet2DConditionModel

    def __len__(self) -> int:
        return len(self.latents)

    @torch.no_grad()
    def expected(self, noisy: Tensor, timesteps: Tensor, rows: Tensor) -> Tensor:
        """What the model as it was predicts of noisy latents (B, C, h, w) with the texts of `rows` (B,)."""
        states = self.states[rows].to(noisy.device, self.unet.dtype)
        made: Tensor = self.unet.to(noisy.device)(noisy.to(self.unet.dtype), timesteps, states).sample
        return made.float()


def rows_of(first: int, size: int, share: float) -> int:
    """How many of the examples `first` to `first + size - 1` of a training rehearse: evenly, a share of all."""
    return int((first + size) * share) - int(first * share)


def rehearsal_of(
    parent: Model, model: Tunable, tuning: Tuning, encoders: Encoders, side: int, seed: int
) -> Rehearsal:
    """Draw what is rehearsed, pictures of side x side pixels; what the cache of `encoders` has is not drawn again.

    InvalidInput where the recipe names no sentences and the model knows those of no world of Storybook.
    """
    file = tuning.rehearsal_prompts
    sentences = storybook(parent, _FIELD, f"as {_FIELD}") if file is None else from_file(file, _FIELD)
    texts = [sentences.text(number) for number in range(tuning.rehearsed)]
    unet = _frozen(parent.path, tuning.precision)
    choose_attention(unet, None, side // model.factor)
    keys = encoders.texts([*texts, ""])
    states = torch.from_numpy(np.stack([encoders.cache[key] for key in keys])).float()
    latents = _drawn(
        parent, model, unet, encoders, texts, states, side // model.factor, seed, tuning.precision
    )
    return Rehearsal(latents, states, torch.from_numpy(encoders.tokens([*texts, ""])), unet)


def _frozen(directory: Path, precision: str) -> UNet2DConditionModel:
    unet = UNet2DConditionModel.from_pretrained(
        directory / "unet", torch_dtype=frozen_dtype(precision), use_safetensors=True
    )
    return unet.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")


def _drawn(
    parent: Model,
    model: Tunable,
    unet: UNet2DConditionModel,
    encoders: Encoders,
    texts: Sequence[str],
    states: Tensor,
    side: int,
    seed: int,
    precision: str,
) -> Tensor:
    stepping = parent.manifest.stepping
    shape = (unet.config.in_channels, side, side)
    settings = (stepping.steps, stepping.guidance_scale, stepping.guidance_interval, shape, precision, seed)
    marks = [
        encoders.mark(part) for part in ("unet", "text_encoder")
    ]  # of gigabytes: once, not for each text
    keys = [key_of("rehearsed", marks, settings, k, text) for k, text in enumerate(texts)]
    wanted = set(encoders.cache.missing(keys))
    missing = [k for k, key in enumerate(keys) if key in wanted]
    scheduler = DPMSolverMultistepScheduler.from_config(model.scheduler)
    starts = range(0, len(missing), _AT_ONCE)
    for at in track(starts, "drawing what it knows", disable=not missing):
        part = missing[at : at + _AT_ONCE]
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed + k)) for k in part]
        rows = torch.cat([states[-1:].expand(len(part), -1, -1), states[part]])
        with torch.no_grad(), autocast(unet.device.type, precision):
            made = sampled(
                unet,
                scheduler,
                torch.stack(noise).to(unet.device),
                rows.to(unet.device, unet.dtype),
                stepping.steps,
                stepping.guidance_scale,
                guided=stepping.guidance_interval,
            )
        for k, latent in zip(part, made.float().cpu().numpy().astype(np.float16), strict=True):
            encoders.cache.put(keys[k], latent)
    return torch.from_numpy(np.stack([encoders.cache[key] for key in keys])).float()
