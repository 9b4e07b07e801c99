"""Euler's method on the probability-flow equation: Karras et al. 2022, algorithm 2 without churn.

Inside, the latent is the clean one plus sigma times noise; the network sees it scaled back to unit variance.
"""

from __future__ import annotations

import numpy as np

from .query import Latent, Origin, Query, Sampling
from .schedule import Floats, Schedule


def euler(schedule: Schedule, steps: int, noise: Latent, origin: Origin | None = None) -> Sampling:
    """Sample as diffusers' `EulerDiscreteScheduler` does, initial noise and input scaling included."""
    schedule.check_steps(steps)
    timesteps, sigmas = _levels(schedule, steps)
    latent, clean = noise * _initial_scale(schedule, sigmas), None
    one, first = np.float32(1), origin.first if origin else 0
    if origin and first:
        latent = origin.noised(one, sigmas[first], noise)
    levels = zip(timesteps[first:], sigmas[first:], sigmas[first + 1 :], strict=False)
    for timestep, sigma, following in levels:
        scale = np.sqrt(sigma**2 + 1)
        prediction = yield Query(latent / scale, float(timestep), clean)
        match schedule.prediction_type:
            case "epsilon":
                clean = latent - sigma * prediction
            case "v_prediction":
                clean = prediction * (-sigma / scale) + latent / (sigma**2 + 1)
            case "sample":
                clean = prediction
        latent = latent + (latent - clean) / sigma * (following - sigma)
        if origin:
            latent = origin.restored(latent, one, following, noise)
    return latent


def _levels(schedule: Schedule, steps: int) -> tuple[Floats, Floats]:
    """Give timesteps (steps,) and sigmas (steps + 1,)."""
    last = schedule.num_train_timesteps - 1
    match schedule.timestep_spacing or "linspace":
        case "linspace":
            timesteps = np.linspace(0, last, steps, dtype=np.float32)[::-1]
        case "leading":
            stride = schedule.num_train_timesteps // steps
            timesteps = (np.arange(steps)[::-1] * stride + schedule.steps_offset).astype(np.float32)
        case "trailing":
            timesteps = schedule.trailing(steps).astype(np.float32)
    sigmas = np.interp(timesteps, np.arange(last + 1), schedule.sigmas)
    if schedule.use_karras_sigmas:
        sigmas = schedule.karras_sigmas(steps, float(sigmas[0]), float(sigmas[-1]))
        timesteps = schedule.timesteps_of(sigmas).astype(np.float32)
    return timesteps, np.append(sigmas, schedule.final_sigma()).astype(np.float32)


def _initial_scale(schedule: Schedule, sigmas: Floats) -> np.float32:
    highest: np.float32 = sigmas.max()
    return np.float32(np.sqrt(highest**2 + 1)) if schedule.timestep_spacing == "leading" else highest
