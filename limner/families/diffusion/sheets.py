"""What a denoiser draws while it trains, for a page to look at."""

from __future__ import annotations

import torch
from diffusers import SchedulerMixin, UNet2DConditionModel
from torch import Tensor


def sampled(
    unet: UNet2DConditionModel,
    scheduler: SchedulerMixin,
    latents: Tensor,
    states: Tensor,
    steps: int,
    guidance: float,
) -> Tensor:
    """Denoise latents (B, C, h, w) in guided steps; `states` (2 B, T, D) are those of nothing, then of the texts."""
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        seen = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        free, bound = unet(seen, timestep, states).sample.float().chunk(2)
        latents = scheduler.step(free + guidance * (bound - free), timestep, latents).prev_sample
    return latents
