"""Teaching the decoder to read the layout channels: it draws what they say where the latents are rough.

A denoiser settles the layout early and well, and what each latent shows late and roughly. So the decoder learns on
latents that are noised and blurred beside a layout that is true; on true latents beside a layout that does not say
what the subjects are, so that it draws what has no name; and on what the encoder makes of a picture, so that
round trips stay what they were. The encoder is left as it is.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...sheets import grid
from ...training.pictures import PictureArrays, order, to_pixels, to_tensor
from . import layout
from .autoencoder_stage import squares
from .loss import reconstruction_loss
from .model import latent_factor
from .recipe import Decoder

_SHEET, _HELD_OUT = 8, 64
_ROUGH = 0.75  # how rough latents are in validation and on sheets


class DecoderStage:
    """The loop's view of the decoder of a widened autoencoder.

    `latents` and `guessed`, both (N, C + CHANNELS, h, w) float16 for the training part and the held-out one, are the
    latents with their true layout, and with what the encoder guesses of it; `unknown` (CHANNELS,) are layout
    channels as they are where there is nothing.
    """

    name = "decoder"

    def __init__(
        self,
        recipe: Decoder,
        vae: AutoencoderKL,
        arrays: tuple[PictureArrays, PictureArrays],
        latents: tuple[NDArray[np.float16], NDArray[np.float16]],
        guessed: tuple[NDArray[np.float16], NDArray[np.float16]],
        unknown: NDArray[np.float16],
        seed: int,
    ) -> None:
        self.recipe, self.vae, self.seed = recipe, vae, seed
        self.train, self.held_out = arrays
        self.latents, self.guessed = latents, guessed
        self.unknown = torch.from_numpy(unknown).float()
        self.factor = latent_factor(vae)
        self.module: nn.Module = nn.ModuleDict(
            {"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}
        )
        self.module.requires_grad_(True)

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        whole, side = self.train.pictures.shape[1], self.recipe.crop
        if step >= self.recipe.whole_from * self.recipe.steps or side > whole:
            side, size = whole, max(1, size * side**2 // whole**2) if side < whole else size
        rng = np.random.Generator(np.random.SFC64([self.seed, step, first]))
        chosen = np.sort(order(len(self.train.pictures), self.seed, first, size))
        found = squares(self.train.subjects, chosen, side, self.factor, rng, first)
        f, cells = self.factor, side // self.factor
        true, guessed = (
            torch.from_numpy(
                np.stack([each[k, :, y // f : y // f + cells, x // f : x // f + cells] for k, y, x in found])
            ).float()
            for each in (self.latents[0], self.guessed[0])
        )
        pictures, subjects = (
            np.stack([each[k, y : y + side, x : x + side] for k, y, x in found])
            for each in (self.train.pictures, self.train.subjects)
        )
        weight = 1 + self.recipe.mask_weight * torch.from_numpy(subjects > 0).float().unsqueeze(1)
        device = next(self.module.parameters()).device
        made = self._decode(self._as_drawn(true, guessed, generator).to(device))
        loss = reconstruction_loss(
            made, to_tensor(pictures).to(device), weight.to(device), self.recipe.edge_weight
        )
        return {"loss": loss}

    def _as_drawn(self, true: Tensor, guessed: Tensor, generator: torch.Generator) -> Tensor:
        """Latents as a denoiser or the encoder may give them: half of them rough beside a true layout, a quarter true
        where it is not said what is shown, a quarter as they are encoded."""
        count = len(true)
        kind, blur, rough, shake = (torch.rand(count, 1, 1, 1, generator=generator) for _ in range(4))
        noise = torch.randn(true.shape, generator=generator)
        width = true.shape[1] - layout.CHANNELS
        drawn = torch.cat([_blurred(true[:, :width], blur), true[:, width:]], 1)
        scale = torch.cat(
            [
                (self.recipe.roughness * rough).expand(-1, width, -1, -1),
                (self.recipe.shake * shake).expand(-1, layout.CHANNELS, -1, -1),
            ],
            1,
        )
        nameless = true + 0.1 * noise
        at = slice(width + layout.CODES.start, width + layout.CODES.stop)
        nameless[:, at] = self.unknown[layout.CODES].view(1, -1, 1, 1)
        return torch.where(
            kind < 0.5, drawn + scale * noise, torch.where(kind < 0.75, nameless, guessed + 0.1 * noise)
        )

    def _decode(self, latents: Tensor) -> Tensor:
        made: Tensor = self.vae.decode(latents).sample
        return made.float()

    def _rough(self, part: slice) -> Tensor:
        """Held-out latents as rough as a denoiser may leave them, always the same, beside their true layout."""
        true = torch.from_numpy(self.latents[1][part]).float()
        width = true.shape[1] - layout.CHANNELS
        noise = torch.randn(true.shape, generator=torch.Generator().manual_seed(part.start))
        rough = (
            _blurred(true[:, :width], torch.tensor(_ROUGH))
            + _ROUGH * self.recipe.roughness * noise[:, :width]
        )
        return torch.cat([rough, true[:, width:]], 1)

    def validate(self) -> dict[str, float]:
        """L1 inside held-out subjects, in grey levels of 255: of true latents, rough ones, and as encoded."""
        device = next(self.module.parameters()).device
        error, area = dict.fromkeys(("true", "rough", "encoded"), 0.0), 0.0
        for first in range(0, min(_HELD_OUT, len(self.held_out.pictures)), 8):
            part = slice(first, min(first + 8, len(self.held_out.pictures)))
            pictures = to_tensor(self.held_out.pictures[part]).to(device)
            inside = torch.from_numpy(self.held_out.subjects[part] > 0).unsqueeze(1).to(device)
            area += float(inside.sum())
            for name, latents in (
                ("true", torch.from_numpy(self.latents[1][part]).float()),
                ("rough", self._rough(part)),
                ("encoded", torch.from_numpy(self.guessed[1][part]).float()),
            ):
                off = (self._decode(latents.to(device)) - pictures).abs().mean(1, keepdim=True) * 127.5
                error[name] += float((off * inside).sum())
        return {f"l1_{name}": value / max(area, 1.0) for name, value in error.items()}

    def sheet(self) -> Image.Image:
        """Held-out pictures, above them drawn from rough latents, and as encoded."""
        device = next(self.module.parameters()).device
        part = slice(0, _SHEET)
        encoded = torch.from_numpy(self.guessed[1][part]).float()
        made = [to_pixels(self._decode(each.to(device))) for each in (self._rough(part), encoded)]
        return grid([list(made[0]), list(made[1]), list(self.held_out.pictures[part])])


def _blurred(latents: Tensor, share: Tensor) -> Tensor:
    """Latents of which a share (B, 1, 1, 1), 0 to 1, is the mean of their surroundings."""
    around = functional.avg_pool2d(latents, 5, 1, 2, count_include_pad=False)
    return latents + share * (around - latents)
