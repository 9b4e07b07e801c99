"""Teaching the decoder to read the layout channels: it draws what they say where the latents are rough.

A denoiser settles the layout early and well, and what each latent shows late and roughly. So the decoder learns on what
that denoiser draws beside a layout that is true or nearly so (`drawing.py`); on true latents beside a layout that does
not say what the subjects are, so that it draws what has no name; and on what the encoder makes of a picture, so that
round trips stay what they were. Encoder and denoiser are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ...data.arrays import PictureArrays
from ...sheets import grid
from ...training.pictures import order, to_pixels, to_tensor
from ...training.reconstruction import reconstruction_loss
from .. import layout
from .autoencoder_stage import squares
from .decoder_rehearsal import SHAKEN, SHARE, DecoderRehearsal
from .drawing import Drawn
from .model import latent_factor
from .recipe import Decoder
from .rehearsal import rows_of

_SHEET, HELD_OUT = 8, 64
_DRAWN, _NAMELESS = 0.75, 0.07  # shares of what it learns on; the rest is as encoded
_NOISY = 0.1  # deviation of the noise that is added to all latents but drawn ones


@dataclass(frozen=True)
class DecoderExamples:
    """Pictures, and their latents (N, C + CHANNELS, h, w) float16: with their true layout, with what the encoder
    guesses of it, and as a denoiser draws them."""

    pictures: PictureArrays
    true: NDArray[np.float16]
    guessed: NDArray[np.float16]
    drawn: Drawn


class DecoderStage:
    """The loop's view of the decoder of a widened autoencoder.

    `unknown` (CHANNELS,) are layout channels as they are where there is nothing.
    """

    name = "decoder"

    def __init__(
        self,
        recipe: Decoder,
        vae: AutoencoderKL,
        train: DecoderExamples,
        held_out: DecoderExamples,
        unknown: NDArray[np.float16],
        seed: int,
        rehearsal: DecoderRehearsal | None = None,
    ) -> None:
        self.recipe, self.vae, self.seed = recipe, vae, seed
        self.train, self.held_out, self.rehearsal = train, held_out, rehearsal
        self.unknown = torch.from_numpy(unknown).float()
        self.factor = latent_factor(vae)
        self.module: nn.Module = nn.ModuleDict(
            {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
        )
        self.module.requires_grad_(True)
        if recipe.gradient_checkpointing:
            vae.enable_gradient_checkpointing()

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        whole, side = self.train.pictures.pictures.shape[1], self.recipe.crop
        if step >= self.recipe.whole_from * self.recipe.steps or side > whole:
            fewer = max(1, size * side**2 // whole**2) if side < whole else size
            side, size, first = whole, fewer, first // size * fewer
        known, before = (rows_of(first, size, SHARE), rows_of(0, first, SHARE)) if self.rehearsal else (0, 0)
        rows = [self._new(step, first - before, size - known, side, generator)] if size > known else []
        if known:
            assert self.rehearsal is not None
            given, expected, inside = self.rehearsal.rows(known, side // self.factor, generator)
            rows.append((given, expected, 1 + self.recipe.mask_weight * inside))
        device, recipe = next(self.module.parameters()).device, self.recipe
        given, expected, weight = (torch.cat(each).to(device) for each in zip(*rows, strict=True))
        made = self._decode(given)
        loss = reconstruction_loss(made, expected, weight, recipe.edge_weight, recipe.square_weight)
        return {"loss": loss}

    def _new(
        self, step: int, first: int, size: int, side: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Squares of side x side pixels of what is learned: latents, pictures, and what each pixel counts."""
        rng = np.random.Generator(np.random.SFC64([self.seed, step, first]))
        chosen = np.sort(order(len(self.train.true), self.seed, first, size))
        found = squares(self.train.pictures.subjects, chosen, side, self.factor, rng, first)
        f, cells = self.factor, side // self.factor
        true, guessed, drawn = (
            torch.from_numpy(
                np.stack([each[k, :, y // f : y // f + cells, x // f : x // f + cells] for k, y, x in found])
            ).float()
            for each in (self.train.true, self.train.guessed, self.train.drawn.latents)
        )
        pictures, subjects = (
            np.stack([each[k, y : y + side, x : x + side] for k, y, x in found])
            for each in (self.train.pictures.pictures, self.train.pictures.subjects)
        )
        ground = torch.from_numpy(self.train.drawn.ground[[k for k, _, _ in found]])
        given, ground = self._given(true, guessed, drawn, ground.view(-1, 1, 1, 1), generator)
        weight = ground + self.recipe.mask_weight * torch.from_numpy(subjects > 0).float().unsqueeze(1)
        return given, to_tensor(pictures), weight

    def _given(
        self, true: Tensor, guessed: Tensor, drawn: Tensor, ground: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Latents as a denoiser or the encoder gives them, and what the background of each counts, (B, 1, 1, 1)."""
        kind = torch.rand(len(true), 1, 1, 1, generator=generator)
        noise = torch.randn(true.shape, generator=generator)
        width = true.shape[1] - layout.CHANNELS
        shaken = torch.cat([drawn[:, :width], drawn[:, width:] + SHAKEN * noise[:, width:]], 1)
        nameless = true + _NOISY * noise
        at = slice(width + layout.CODES.start, width + layout.CODES.stop)
        nameless[:, at] = self.unknown[layout.CODES].view(1, -1, 1, 1)
        other = torch.where(kind < _DRAWN + _NAMELESS, nameless, guessed + _NOISY * noise)
        given = torch.where(kind < _DRAWN, shaken, other)
        return given, torch.where(kind < _DRAWN, ground, torch.ones_like(ground))

    def _decode(self, latents: Tensor) -> Tensor:
        made: Tensor = self.vae.decode(latents).sample
        return made.float()

    def validate(self) -> dict[str, float]:
        """L1 inside held-out subjects, in grey levels of 255: of true latents, drawn ones, and as encoded; and of what
        is rehearsed from what was made of it before."""
        device = next(self.module.parameters()).device
        error, area = dict.fromkeys(("true", "drawn", "encoded"), 0.0), 0.0
        for first in range(0, min(HELD_OUT, len(self.held_out.true)), 8):
            part = slice(first, min(first + 8, len(self.held_out.true)))
            pictures = to_tensor(self.held_out.pictures.pictures[part]).to(device)
            inside = torch.from_numpy(self.held_out.pictures.subjects[part] > 0).unsqueeze(1).to(device)
            area += float(inside.sum())
            for name, latents in (
                ("true", self.held_out.true),
                ("drawn", self.held_out.drawn.latents),
                ("encoded", self.held_out.guessed),
            ):
                made = self._decode(torch.from_numpy(latents[part]).float().to(device))
                off = (made - pictures).abs().mean(1, keepdim=True) * 127.5
                error[name] += float((off * inside).sum())
        found = {f"l1_{name}": value / max(area, 1.0) for name, value in error.items()}
        return (
            found if self.rehearsal is None else found | {"l1_rehearsed": self.rehearsal.drift(self._decode)}
        )

    def sheet(self) -> Image.Image:
        """Held-out pictures; above them what the denoiser drew of them, and as encoded."""
        device = next(self.module.parameters()).device
        made = [
            to_pixels(self._decode(torch.from_numpy(each[:_SHEET]).float().to(device)))
            for each in (self.held_out.drawn.latents, self.held_out.guessed)
        ]
        return grid([list(made[0]), list(made[1]), list(self.held_out.pictures.pictures[:_SHEET])])
