"""What a model could draw before it is tuned, rehearsed while it learns something else.

The model as it was draws sentences that it knows. Some rows of every batch are these drawings with noise on them, and
the tuned model is to say of them what the model as it was says (Li and Hoiem 2016, "Learning without Forgetting"; that
a model's own drawings stand for what it knows is from Ruiz et al. 2023, "DreamBooth").

Drawings take time, sentences do not: the more noise there is on a drawing, the more often another sentence is said of
it, of which none was drawn. What the model as it was makes of both is known all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from transformers import CLIPTextModel

from ...registry.manifest import Layout, SamplerDefaults
from ...registry.models import Model
from ...training.cache import key_of
from ...training.precision import autocast, frozen_dtype
from ...training.sentences import from_file, storybook
from .. import layout
from .attention import choose_attention
from .kept import Arrays, fingerprint, kept
from .recipe import Tuning
from .sampling import sampled
from .tunable import Tunable
from .tuning_examples import Encoders

HELD_OUT = 32  # drawings
_AT_ONCE = 8
_OTHERS = 2**40  # sentences that are as good as endless
_FIELD = "tuning.rehearsal_prompts"


@dataclass(frozen=True)
class Rehearsal:
    """Latents (N, C, h, w) that the model as it was drew, as a denoiser sees them, the last HELD_OUT not to be learned
    from, `shown` (N, 1, h, w), the share of each cell that a subject fills as far as their layout channels say, and the
    tokens (N + 1, T) of their sentences and of the empty text; its denoiser and its text encoder. `other` makes the
    tokens (B, T) of sentences of which none was drawn, one for each number."""

    latents: Tensor
    shown: Tensor
    tokens: Tensor
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    other: Callable[[Sequence[int]], Tensor]

    @property
    def learned(self) -> int:
        """How many drawings are learned from."""
        return len(self.latents) - HELD_OUT

    def said(self, drawings: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Tokens (B, T) of what is said of drawings (B,): another sentence as often as there is noise (B,) in 0..1."""
        numbers = torch.randint(_OTHERS, drawings.shape, generator=generator)
        other = torch.rand(drawings.shape, generator=generator) < noise
        tokens = self.tokens[drawings]
        if other.any():
            tokens[other] = self.other(numbers[other].tolist())
        return tokens

    @torch.no_grad()
    def states(self, tokens: Tensor) -> Tensor:
        """Encodings (B, T, D) of tokens (B, T) by the model as it was."""
        made: Tensor = self.text_encoder(input_ids=tokens.to(self.text_encoder.device)).last_hidden_state
        return made.to(self.unet.dtype)

    @torch.no_grad()
    def expected(self, noisy: Tensor, timesteps: Tensor, states: Tensor) -> Tensor:
        """What the model as it was predicts of noisy latents (B, C, h, w) with encodings (B, T, D)."""
        made: Tensor = self.unet(noisy.to(self.unet.dtype), timesteps, states).sample
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
    drawn = tuning.rehearsed + HELD_OUT
    texts = [sentences.text(number) for number in range(drawn)]
    unet, text_encoder = _frozen(parent.path, tuning.precision)
    choose_attention(unet, text_encoder, side // model.factor)

    def other(numbers: Sequence[int]) -> Tensor:
        return torch.from_numpy(encoders.tokens([sentences.text(drawn + number) for number in numbers]))

    tokens = torch.from_numpy(encoders.tokens([*texts, ""]))
    known = Rehearsal(torch.empty(0), torch.empty(0), tokens, unet, text_encoder, other)
    latents = _drawn(parent, model, known, encoders, texts, side, seed, tuning.precision)
    return replace(known, latents=latents, shown=_shown(latents, parent.manifest.layout))


def _shown(latents: Tensor, known: Layout | None) -> Tensor:
    if known is None or len(known.mean) < layout.CHANNELS:
        return torch.zeros_like(latents[:, :1])
    filled = latents[:, -layout.CHANNELS, None] * known.std[0] + known.mean[0]  # -1..1, and a little beyond
    return ((filled + 1) / 2).clamp(0, 1)


def _frozen(directory: Path, precision: str) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    unet = UNet2DConditionModel.from_pretrained(
        directory / "unet", torch_dtype=frozen_dtype(precision), use_safetensors=True
    )
    text_encoder = CLIPTextModel.from_pretrained(
        directory / "text_encoder", dtype=torch.float32, use_safetensors=True
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tuple(each.eval().requires_grad_(False).to(device) for each in (unet, text_encoder))


def _drawn(
    parent: Model,
    model: Tunable,
    known: Rehearsal,
    encoders: Encoders,
    texts: Sequence[str],
    side: int,
    seed: int,
    precision: str,
) -> Tensor:
    stepping, side = parent.manifest.stepping, side // model.factor
    shape = (known.unet.config.in_channels, side, side)
    settings = (stepping.steps, stepping.guidance_scale, stepping.guidance_interval, shape, precision, seed)
    marks = [
        encoders.mark(part) for part in ("unet", "text_encoder")
    ]  # of gigabytes: once, not for each text
    keys = [key_of("rehearsed", marks, settings, k, text) for k, text in enumerate(texts)]
    wanted = set(encoders.cache.missing(keys))
    missing = [k for k, key in enumerate(keys) if key in wanted]
    networks = known.unet, known.text_encoder
    for part in _parts(missing, "drawing what it knows"):
        made = _draw(*networks, model.scheduler, known.tokens, part, stepping, precision, side, seed)
        for k, latent in zip(part, made.numpy().astype(np.float16), strict=True):
            encoders.cache.put(keys[k], latent)
    return torch.from_numpy(np.stack([encoders.cache[key] for key in keys])).float()


def drawn_again(
    known: Rehearsal, model: Tunable, sampler: SamplerDefaults, precision: str, seed: int, file: Path
) -> tuple[NDArray[np.float16], float]:
    """The sentences that are rehearsed, as the tuned model draws them, and how many seconds that took; kept on disk."""

    def make() -> Arrays:
        began = time.monotonic()
        networks = model.unet, model.text_encoder or known.text_encoder
        side = known.latents.shape[2]
        made = [
            _draw(*networks, model.scheduler, known.tokens, part, sampler, precision, side, seed)
            for part in _parts(range(len(known.latents)), "drawing what it knew")
        ]
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
    text_encoder: CLIPTextModel,
    scheduler: dict[str, Any],
    tokens: Tensor,
    rows: Sequence[int],
    sampler: SamplerDefaults,
    precision: str,
    side: int,
    seed: int,
) -> Tensor:
    """Latents (B, C, side, side) on the CPU of the sentences `rows`, each from its own noise, by a scheduler of this
    configuration. `tokens` (N + 1, T) are those of all sentences, and of the empty one last."""
    shape = unet.config.in_channels, side, side
    noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + k)) for k in rows])
    both = torch.cat([tokens[-1:].expand(len(rows), -1), tokens[list(rows)]])
    states = text_encoder(input_ids=both.to(text_encoder.device)).last_hidden_state
    with autocast(unet.device.type, precision):
        made = sampled(
            unet,
            DPMSolverMultistepScheduler.from_config(scheduler),
            noise.to(unet.device),
            states.to(unet.device, unet.dtype),
            sampler.steps,
            sampler.guidance_scale,
            guided=sampler.guidance_interval,
        )
    return made.float().cpu()


def _parts(rows: Sequence[int], about: str) -> Iterator[Sequence[int]]:
    for at in track(range(0, len(rows), _AT_ONCE), about, disable=not rows):
        yield rows[at : at + _AT_ONCE]
