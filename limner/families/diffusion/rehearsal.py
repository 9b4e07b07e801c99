"""What a model could draw before it is tuned, rehearsed while it learns something else.

The model as it was draws sentences that it knows. Some rows of every batch are these drawings with noise on them, and
the tuned model is to say of them what the model as it was says (Li and Hoiem 2016, "Learning without Forgetting"; that
a model's own drawings stand for what it knows is from Ruiz et al. 2023, "DreamBooth").
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from transformers import CLIPTextModel

from ...registry.manifest import SamplerDefaults
from ...registry.models import Model
from ...training.cache import key_of
from ...training.precision import autocast, frozen_dtype
from ...training.sentences import from_file, storybook
from .attention import choose_attention
from .kept import Arrays, fingerprint, kept
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
    for part in _parts(missing, "drawing what it knows"):
        made = _draw(unet, model.scheduler, states, part, stepping, precision, side, seed)
        for k, latent in zip(part, made.numpy().astype(np.float16), strict=True):
            encoders.cache.put(keys[k], latent)
    return torch.from_numpy(np.stack([encoders.cache[key] for key in keys])).float()


def drawn_again(
    known: Rehearsal, model: Tunable, sampler: SamplerDefaults, precision: str, seed: int, file: Path
) -> tuple[NDArray[np.float16], float]:
    """The sentences that are rehearsed, as the tuned model draws them, and how many seconds that took; kept on disk."""

    def make() -> Arrays:
        began = time.monotonic()
        states = known.states if model.text_encoder is None else _encoded(model.text_encoder, known.tokens)
        side, made = known.latents.shape[2], list[Tensor]()
        for part in _parts(range(len(known)), "drawing what it knew"):
            made.append(_draw(model.unet, model.scheduler, states, part, sampler, precision, side, seed))
        return {
            "latents": torch.cat(made).numpy().astype(np.float16),
            "seconds": np.array([time.monotonic() - began]),
        }

    marks = " ".join(fingerprint(each) for each in model.networks.values())
    found = kept(file, f"{marks} {sampler} {precision} {seed} {float(known.latents.abs().sum()):.3f}", make)
    return found["latents"], float(found["seconds"][0])


@torch.no_grad()
def _draw(
    unet: UNet2DConditionModel,
    scheduler: dict[str, Any],
    states: Tensor,
    rows: Sequence[int],
    sampler: SamplerDefaults,
    precision: str,
    side: int,
    seed: int,
) -> Tensor:
    """Latents (B, C, side, side) on the CPU of the sentences `rows`, each from its own noise, by a scheduler of this
    configuration. `states` (N + 1, T, D) are of all sentences, and of the empty one last."""
    shape = unet.config.in_channels, side, side
    noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + k)) for k in rows])
    both = torch.cat([states[-1:].expand(len(rows), -1, -1), states[list(rows)]])
    with autocast(unet.device.type, precision):
        made = sampled(
            unet,
            DPMSolverMultistepScheduler.from_config(scheduler),
            noise.to(unet.device),
            both.to(unet.device, unet.dtype),
            sampler.steps,
            sampler.guidance_scale,
            guided=sampler.guidance_interval,
        )
    return made.float().cpu()


def _parts(rows: Sequence[int], about: str) -> Iterator[Sequence[int]]:
    for at in track(range(0, len(rows), _AT_ONCE), about, disable=not rows):
        yield rows[at : at + _AT_ONCE]


@torch.no_grad()
def _encoded(text_encoder: CLIPTextModel, tokens: Tensor) -> Tensor:
    """Encodings (N, T, D) on the CPU, in float32."""
    made = [
        text_encoder(input_ids=part.to(text_encoder.device)).last_hidden_state
        for part in torch.split(tokens, _AT_ONCE)
    ]
    return torch.cat(made).float().cpu()
