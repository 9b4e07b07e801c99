"""What a denoiser draws in torch: for a page to look at while it trains, for a decoder to learn on, to be rehearsed."""

from __future__ import annotations

import torch
from diffusers import SchedulerMixin, UNet2DConditionModel
from torch import Tensor

from .loss import noised


def sampled(
    unet: UNet2DConditionModel,
    scheduler: SchedulerMixin,
    latents: Tensor,
    states: Tensor,
    steps: int,
    guidance: float,
    *,
    begin: int = 0,
    guided: tuple[float, float] = (0.0, 1.0),
    beside: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Denoise latents (B, C, h, w), which are as noisy as at step `begin`, from there to the last of `steps`.

    `states` (2 B, T, D) are those of nothing, then of the texts; `guided` is the part of the steps that is guided.
    `beside` are the last channels as they are without noise, (B, K, h, w), and their noise: the rest is drawn beside
    them, and they end as they are.
    """
    scheduler.set_timesteps(steps)
    if begin:
        scheduler.set_begin_index(begin)
    for step, timestep in enumerate(scheduler.timesteps[begin:], begin):
        if beside is not None:
            alpha_bar = scheduler.alphas_cumprod[int(timestep)].to(latents.device).expand(len(latents))
            latents = _put(latents, noised(*beside, alpha_bar))
        scale = guidance if guided[0] <= (step + 0.5) / steps <= guided[1] else 1.0
        seen = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        free, bound = unet(seen, timestep, states).sample.float().chunk(2)
        latents = scheduler.step(free + scale * (bound - free), timestep, latents).prev_sample
    return latents if beside is None else _put(latents, beside[0])


def _put(latents: Tensor, channels: Tensor) -> Tensor:
    return torch.cat([latents[:, : latents.shape[1] - channels.shape[1]], channels], 1)
