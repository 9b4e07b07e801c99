"""The loop's view of a denoiser that is tuned, whatever it predicts and whatever its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...sheets import captioned
from ...training.buckets import Batches
from ...training.pictures import to_pixels
from .loss import min_snr_weight, noised, target, weighted_square_error
from .recipe import Tuning
from .rehearsal import Rehearsal, rows_of
from .sampling import sampled
from .tunable import Tunable
from .tuning_examples import Encoders, TuningExamples, load_autoencoder

_HELD_OUT = 32
_AT_ONCE = 8
_SHEET, _SHEET_STEPS = 4, 12


@dataclass(frozen=True)
class _Rows:
    """What the denoiser is shown, noisy latents (B, C, h, w) at timesteps (B,) with encodings (B, T, D), and what it is
    to say of them, which counts by `weight` (B,) and `cells` (B, 1, h, w)."""

    noisy: Tensor
    timesteps: Tensor
    states: Tensor
    expected: Tensor
    weight: Tensor
    cells: Tensor


class TuningStage:
    """See `limner.training.stage.Stage`."""

    name = "tuning"

    def __init__(
        self,
        recipe: Tuning,
        model: Tunable,
        train: TuningExamples,
        held_out: TuningExamples,
        encoders: Encoders,
        guidance: float,
        seed: int,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self.recipe, self.model = recipe, model
        self.train, self.held_out = train, held_out
        self.guidance, self.rehearsal = guidance, rehearsal
        self.module: nn.Module = nn.ModuleDict(model.networks)
        self.batches = Batches(train.groups, seed)
        self.alpha_bar: Tensor = DDPMScheduler.from_config(model.scheduler).alphas_cumprod
        self.empty_tokens = torch.from_numpy(encoders.tokens([""]))  # (1, T)
        self.empty = None
        if model.text_encoder is None:
            (key,) = encoders.texts([""])
            self.empty = torch.from_numpy(train.cache[key]).float()[None]  # (1, T, D)

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        known = rows_of(first, size, self.recipe.rehearsal) if self.rehearsal else 0
        new, parts = size - known, dict[str, _Rows]()
        if new:
            chosen = self.batches.at(first // size, size)[:new]
            captions = self.train.captions(chosen, generator)
            dropped, timesteps = self._dropped(new, generator), self._timesteps(new, generator)
            parts["new"] = self._new(self.train, chosen, captions, dropped, timesteps, generator)
        if known:
            assert self.rehearsal is not None
            drawings = torch.randint(self.rehearsal.learned, (known,), generator=generator)
            dropped, timesteps = self._dropped(known, generator), self._timesteps(known, generator)
            tokens = self.rehearsal.said(drawings, timesteps / len(self.alpha_bar), generator)
            tokens = torch.where(dropped[:, None], self.empty_tokens, tokens)
            parts["rehearsal"] = self._known(self.rehearsal, drawings, tokens, timesteps, generator)
        found = dict(zip(parts, self._errors(list(parts.values())), strict=True))
        loss = torch.zeros((), device=self._device)
        for name, rows in parts.items():
            loss = loss + found[name] * (len(rows.weight) / size)
        return found | {"loss": loss} if self.rehearsal else {"loss": loss}

    def _dropped(self, size: int, generator: torch.Generator) -> Tensor:
        return torch.rand(size, generator=generator) < self.recipe.caption_dropout

    def _timesteps(self, size: int, generator: torch.Generator) -> Tensor:
        """Timesteps (B,), evenly over all of them."""
        strata = (torch.arange(size) + torch.rand(size, generator=generator)) / size  # (B,) in 0..1
        count = len(self.alpha_bar)
        return (strata * count).long().clamp(max=count - 1)  # 32 bits may round up to 1

    def _states(self, examples: TuningExamples, captions: NDArray[np.int64], dropped: Tensor) -> Tensor:
        """Encodings (B, T, D) of captions, of the empty one where they are dropped."""
        if self.model.text_encoder is None:
            assert self.empty is not None
            states = torch.where(dropped[:, None, None], self.empty, examples.states(captions))
            return states.to(self._device, self.model.unet.dtype)
        return self._encoded(
            torch.where(dropped[:, None], self.empty_tokens, torch.from_numpy(examples.tokens[captions]))
        )

    def _encoded(self, tokens: Tensor) -> Tensor:
        """Encodings (B, T, D) by the text encoder that is tuned."""
        assert self.model.text_encoder is not None
        made: Tensor = self.model.text_encoder(input_ids=tokens.to(self._device)).last_hidden_state
        return made.to(self.model.unet.dtype)

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device

    def _known(
        self, known: Rehearsal, chosen: Tensor, tokens: Tensor, timesteps: Tensor, generator: torch.Generator
    ) -> _Rows:
        """What the model as it was says of drawings (B,) of `known` with tokens (B, T)."""
        clean = known.latents[chosen]
        noise = torch.randn(clean.shape, generator=generator)
        alpha_bar, states = self.alpha_bar[timesteps], known.states(tokens)
        noisy, timesteps = noised(clean, noise, alpha_bar).to(self._device), timesteps.to(self._device)
        expected = known.expected(noisy, timesteps, states)
        states = (
            states.to(self.model.unet.dtype) if self.model.text_encoder is None else self._encoded(tokens)
        )
        cells = self._cells(known.shown[chosen]).to(self._device)
        return _Rows(noisy, timesteps, states, expected, self._weight(alpha_bar), cells)

    def _new(
        self,
        examples: TuningExamples,
        chosen: NDArray[np.int64],
        captions: NDArray[np.int64],
        dropped: Tensor,
        timesteps: Tensor,
        generator: torch.Generator,
    ) -> _Rows:
        clean, shown = examples.clean(chosen, generator)
        clean = clean * self.model.scaling
        noise = torch.randn(clean.shape, generator=generator)
        alpha_bar, device = self.alpha_bar[timesteps], self._device
        return _Rows(
            noised(clean, noise, alpha_bar).to(device),
            timesteps.to(device),
            self._states(examples, captions, dropped),
            target(self.model.prediction, clean, noise, alpha_bar).to(device),
            self._weight(alpha_bar),
            self._cells(shown).to(device),
        )

    def _cells(self, shown: Tensor) -> Tensor:
        """How much cells (B, 1, h, w) count of which a subject fills such a share; outlines are drawn on both of their
        sides."""
        return 1 + self.recipe.mask_weight * functional.max_pool2d(shown, 3, 1, 1)

    def _weight(self, alpha_bar: Tensor) -> Tensor:
        weight = min_snr_weight(alpha_bar / (1 - alpha_bar), self.recipe.snr_gamma, self.model.prediction)
        return weight.to(self._device)

    def _errors(self, parts: Sequence[_Rows]) -> list[Tensor]:
        """How far the model is from what each part expects; in one pass, where latents are of one shape."""
        if len({rows.noisy.shape[1:] for rows in parts}) > 1:
            return [each for rows in parts for each in self._errors([rows])]
        noisy, timesteps, states = (
            torch.cat([getattr(rows, name) for rows in parts]) for name in ("noisy", "timesteps", "states")
        )
        made = self.model.unet(noisy, timesteps, states).sample.split([len(rows.weight) for rows in parts])
        return [
            weighted_square_error(says, rows.expected, rows.weight, rows.cells)
            for says, rows in zip(made, parts, strict=True)
        ]

    def validate(self) -> dict[str, float]:
        """The loss at four noise levels on up to 32 held-out pictures, always with the same noise and captions; and how
        far the model is from what it was, in drawings that it does not rehearse."""
        found: dict[str, float] = {}
        parts = list(_parts(self.held_out.groups))
        for share in (0.2, 0.4, 0.6, 0.8):
            timestep, total, count = int(share * len(self.alpha_bar)), 0.0, 0
            for number, chosen in enumerate(parts):
                generator = torch.Generator().manual_seed(timestep * 100_003 + number)
                rows = self._new(
                    self.held_out,
                    chosen,
                    self.held_out.first[chosen],
                    torch.zeros(len(chosen), dtype=torch.bool),
                    torch.full((len(chosen),), timestep),
                    generator,
                )
                total, count = total + float(*self._errors([rows])) * len(chosen), count + len(chosen)
            found[f"t{timestep}"] = total / count
        found["mean"] = sum(found.values()) / len(found)
        if self.rehearsal is not None:
            drawings = torch.arange(self.rehearsal.learned, len(self.rehearsal.latents))
            timesteps = torch.arange(len(drawings)) * len(self.alpha_bar) // len(drawings)
            tokens, generator = self.rehearsal.tokens[drawings], torch.Generator().manual_seed(0)
            rows = self._known(self.rehearsal, drawings, tokens, timesteps, generator)
            found["rehearsal"] = float(*self._errors([rows]))
        return found

    def sheet(self) -> Image.Image:
        """The captions of four held-out pictures of one size, drawn in twelve guided steps with fixed noise."""
        chosen = self.held_out.groups[0][:_SHEET]
        captions = self.held_out.first[chosen]
        shape = self.held_out.clean(chosen, torch.Generator().manual_seed(0))[0].shape
        none, every = torch.zeros(len(chosen), dtype=torch.bool), torch.ones(len(chosen), dtype=torch.bool)
        states = torch.cat([self._states(self.held_out, captions, drop) for drop in (every, none)])
        latents = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(states.device)
        scheduler = DPMSolverMultistepScheduler.from_config(self.model.scheduler)
        latents = sampled(self.model.unet, scheduler, latents, states, _SHEET_STEPS, self.guidance)
        vae = load_autoencoder(self.model.directory).to(latents.device)
        pictures = to_pixels(vae.decode(latents / self.model.scaling).sample)
        texts = [
            self.model.tokenizer.decode(row, skip_special_tokens=True)
            for row in self.held_out.tokens[captions]
        ]
        return captioned(list(pictures), texts)


def _parts(groups: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """Up to 32 examples of all groups, at most eight of one group at a time."""
    left = _HELD_OUT
    for group in groups:
        for at in range(0, len(group), _AT_ONCE):
            part = group[at : at + min(_AT_ONCE, left)]
            if not len(part):
                return
            left -= len(part)
            yield part
