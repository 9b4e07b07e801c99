"""What a decoder made of drawings before it is tuned, rehearsed while it learns to read others.

It is to make of them what the decoder as it was makes of them (Li and Hoiem 2016, "Learning without Forgetting"), of
every square and under all noise that is put on them: what it drew of whole pictures would not say that.
"""

from __future__ import annotations

import copy

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from ...registry.manifest import Layout
from .. import layout

SHARE = 0.5  # of the rows of every batch
SHAKEN = 0.05  # deviation of the noise that is added to the layout of what was drawn


class DecoderRehearsal:
    """Latents (N, C + CHANNELS, h, w) of drawings, as a denoiser leaves them, and the decoder as it was.

    `scale` is that of their layout channels.
    """

    def __init__(self, latents: Tensor, vae: AutoencoderKL, scale: Layout) -> None:
        self.latents = latents
        self._half = -scale.mean[0] / scale.std[0]  # the share of a cell that a subject fills lies in -1..1
        self._was = copy.deepcopy(vae).eval().requires_grad_(False)

    @torch.no_grad()
    def rows(self, count: int, cells: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Squares of cells x cells of any drawings: latents (B, C + CHANNELS, h, w), the pictures (B, 3, H, W) that the
        decoder as it was makes of them, in -1..1, and where their subjects are, (B, 1, H, W), 0 or 1."""
        height, width = self.latents.shape[2:]
        found = [
            (
                int(torch.randint(len(self.latents), (), generator=generator)),
                int(torch.randint(height - cells + 1, (), generator=generator)),
                int(torch.randint(width - cells + 1, (), generator=generator)),
            )
            for _ in range(count)
        ]
        clean = torch.stack([self.latents[k, :, y : y + cells, x : x + cells] for k, y, x in found])
        noise = torch.randn(clean.shape, generator=generator)
        given = clean.clone()
        given[:, -layout.CHANNELS :] += SHAKEN * noise[:, -layout.CHANNELS :]
        made = self._was.decode(given.to(next(self._was.parameters()).device)).sample.float()
        inside = (clean[:, -layout.CHANNELS, None] > self._half).float()
        return given, made.cpu(), functional.interpolate(inside, made.shape[2:])
