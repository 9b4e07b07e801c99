"""What a decoder made of drawings before it is tuned, rehearsed while it learns to read others.

It is to make of them what the decoder as it was makes of them (Li and Hoiem 2016, "Learning without Forgetting"), of
every square and under all noise that is put on them: what it drew of whole pictures would not say that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from ...registry.manifest import Layout
from .. import layout

SHARE = 0.6  # of the rows of every batch
SHAKEN = 0.05  # deviation of the noise that is added to the layout of what was drawn


class DecoderRehearsal:
    """Latents (N, C + CHANNELS, h, w) of drawings, as a denoiser leaves them, others that are not to be learned from,
    and the decoder as it was.

    `scale` is that of their layout channels.
    """

    def __init__(self, latents: Tensor, held_out: Tensor, vae: AutoencoderKL, scale: Layout) -> None:
        self.latents, self.held_out = latents, held_out
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
        return given, made.cpu(), self._inside(clean, made)

    @torch.no_grad()
    def drift(self, decode: Callable[[Tensor], Tensor]) -> float:
        """How far `decode` is from the decoder as it was, inside the subjects of what is held out: L1 in grey levels of
        255. It makes pictures (B, 3, H, W) in -1..1 of latents."""
        device, error, area = next(self._was.parameters()).device, 0.0, 0.0
        for part in torch.split(self.held_out, 8):
            given = part.to(device)
            off = (decode(given) - self._was.decode(given).sample.float()).abs().mean(1, keepdim=True).cpu()
            inside = self._inside(part, off)
            error, area = error + 127.5 * float((off * inside).sum()), area + float(inside.sum())
        return error / max(area, 1.0)

    def _inside(self, latents: Tensor, pictures: Tensor) -> Tensor:
        """Where the subjects are of latents (B, C, h, w), as (B, 1, H, W) of their pictures, 0 or 1."""
        inside = (latents[:, -layout.CHANNELS, None] > self._half).float()
        return functional.interpolate(inside, pictures.shape[2:])
