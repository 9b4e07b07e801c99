"""The jumps of a model that draws in few steps: where each lands, by the arithmetic of the sampler that draws it.

A step of DDIM (Song et al. 2020, equation 12 with sigma = 0) is linear in the latent and in what the network says, so
there is one prediction with which it lands on any given latent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDIMScheduler
from numpy.typing import NDArray
from torch import Tensor

from ...engine.samplers import Schedule
from ...errors import InvalidInput


def few_step(schedule: Schedule) -> DDIMScheduler:
    """The scheduler that a distilled model is saved with: the noise levels of `schedule`, and DDIM's trailing steps."""
    return DDIMScheduler(
        num_train_timesteps=schedule.num_train_timesteps,
        beta_start=schedule.beta_start,
        beta_end=schedule.beta_end,
        beta_schedule=schedule.beta_schedule,
        trained_betas=None if schedule.trained_betas is None else list(schedule.trained_betas),
        prediction_type=schedule.prediction_type,
        rescale_betas_zero_snr=schedule.rescale_betas_zero_snr,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=schedule.steps_offset,
    )


@dataclass(frozen=True)
class Jumps:
    """All jumps of one drawing: jump k, from `timesteps[k]`, lands at keep[k] * latent + move[k] * prediction.

    `velocity` (K,) is what `move` would be for a network that predicts velocities: the sine of the angle of a jump.
    """

    timesteps: NDArray[np.int64]
    keep: Tensor
    move: Tensor
    velocity: Tensor

    @classmethod
    def of(cls, schedule: Schedule, steps: int) -> Jumps:
        """The jumps of so many DDIM steps; InvalidInput where the first begins where predictions say nothing."""
        timesteps = schedule.trailing(steps).astype(np.int64)
        before = timesteps - schedule.num_train_timesteps // steps
        alphas = schedule.alphas_cumprod.astype(np.float64)
        here, there = alphas[timesteps], np.where(before >= 0, alphas[np.maximum(before, 0)], 1.0)
        signal, noise = np.sqrt(here), np.sqrt(1 - here)
        onto, left = np.sqrt(there), np.sqrt(1 - there)
        velocity = left * signal - onto * noise
        match schedule.prediction_type:
            case "v_prediction":
                keep, move = onto * signal + left * noise, velocity
            case "epsilon":
                if not signal.all():
                    raise InvalidInput(
                        "a model that predicts noise says nothing where there is no signal, and this one begins there",
                        field="prediction_type",
                    )
                keep, move = onto / signal, left - onto * noise / signal
            case "sample":
                keep, move = left / noise, onto - left * signal / noise
        return cls(timesteps, *(torch.from_numpy(each).float() for each in (keep, move, velocity)))

    def land(self, latents: Tensor, predictions: Tensor, numbers: Tensor) -> Tensor:
        """Where jumps number `numbers` (B,) land from latents (B, C, h, w) with these predictions."""
        return _of(self.keep, numbers, latents) * latents + _of(self.move, numbers, latents) * predictions

    def wanted(self, latents: Tensor, landings: Tensor, numbers: Tensor) -> Tensor:
        """The predictions with which the jumps land on `landings` (B, C, h, w)."""
        return (landings - _of(self.keep, numbers, latents) * latents) / _of(self.move, numbers, latents)

    def errors(self, latents: Tensor, predictions: Tensor, landings: Tensor, numbers: Tensor) -> Tensor:
        """The squared error of each jump (B,), weighed alike: in terms of velocities, whatever is predicted."""
        missed = self.land(latents, predictions, numbers) - landings
        return (missed / _of(self.velocity, numbers, latents)).square().mean(dim=(1, 2, 3))


def _of(values: Tensor, numbers: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device)[numbers.to(like.device)].view(-1, 1, 1, 1)
