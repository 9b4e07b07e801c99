"""DDIM without added noise: Song, Meng and Ermon 2020, equation 12 with sigma = 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from .query import Latent, Origin, Query, Sampling
from .schedule import Schedule


def ddim(schedule: Schedule, steps: int, noise: Latent, origin: Origin | None = None) -> Sampling:
    """Sample as diffusers' `DDIMScheduler` with eta = 0 does."""
    schedule.check_steps(steps)
    alphas = schedule.alphas_cumprod
    stride = schedule.num_train_timesteps // steps
    final = np.float32(1) if schedule.set_alpha_to_one else alphas[0]
    latent, clean = noise, None
    timesteps = _timesteps(schedule, steps)
    first = origin.first if origin else 0
    if origin and first:
        latent = origin.noised(*_level(alphas[timesteps[first]]), noise)
    for i, timestep in enumerate(timesteps[first:], first + 1):
        prediction = yield Query(latent, float(timestep), clean)
        before = timestep - stride
        clean, residual = _split(schedule, latent, prediction, alphas[timestep])
        if schedule.clip_sample:
            clean = clean.clip(-schedule.clip_sample_range, schedule.clip_sample_range)
        alpha = alphas[before] if before >= 0 else final
        latent = np.sqrt(alpha) * clean + np.sqrt(1 - alpha) * residual
        if origin:
            reached = alphas[timesteps[i]] if i < steps else np.float32(1)
            latent = origin.restored(latent, *_level(reached), noise)
    return latent


def _level(alpha: np.float32) -> tuple[np.float32, np.float32]:
    """Signal and deviation of the noise."""
    return np.sqrt(alpha), np.sqrt(np.float32(1) - alpha)


def _timesteps(schedule: Schedule, steps: int) -> NDArray[np.int64]:
    last = schedule.num_train_timesteps - 1
    match schedule.timestep_spacing or "leading":
        case "linspace":
            timesteps = np.linspace(0, last, steps).round()[::-1]
        case "leading":
            stride = schedule.num_train_timesteps // steps
            timesteps = np.minimum(np.arange(steps)[::-1] * stride + schedule.steps_offset, last)
        case "trailing":
            timesteps = schedule.trailing(steps)
    return timesteps.astype(np.int64)


def _split(
    schedule: Schedule, latent: Latent, prediction: Latent, alpha: np.float32
) -> tuple[Latent, Latent]:
    """Give the clean latent and the noise that make up `latent` according to the prediction."""
    signal, noise = np.sqrt(alpha), np.sqrt(1 - alpha)
    match schedule.prediction_type:
        case "epsilon":
            if signal == 0:
                raise InvalidInput(
                    "prediction_type='epsilon' says nothing at zero signal; "
                    "a schedule with rescale_betas_zero_snr needs 'v_prediction' or 'sample'",
                    field="prediction_type",
                )
            return (latent - noise * prediction) / signal, prediction
        case "v_prediction":
            return signal * latent - noise * prediction, signal * prediction + noise * latent
        case "sample":
            return prediction, (latent - signal * prediction) / noise
