"""DPM-Solver++(2M): Lu et al. 2022 (arXiv 2211.01095), algorithm 2, midpoint form, in the clean latent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .query import Latent, Origin, Query, Sampling
from .schedule import Floats, Schedule

# diffusers falls back to first order at the end of runs shorter than this.
_FEW_STEPS = 15


def dpm_solver_pp_2m(schedule: Schedule, steps: int, noise: Latent, origin: Origin | None = None) -> Sampling:
    """Sample as diffusers' `DPMSolverMultistepScheduler` with `dpmsolver++`, order 2 and `midpoint` does."""
    schedule.check_steps(steps)
    timesteps, sigmas = _levels(schedule, steps)
    alphas: Floats = 1 / np.sqrt(sigmas**2 + np.float32(1))  # (steps + 1,)
    noises: Floats = sigmas * alphas
    with np.errstate(divide="ignore"):
        lambdas: Floats = np.log(alphas) - np.log(noises)
    latent: Latent = noise
    clean: Latent | None = None
    first = origin.first if origin else 0
    if origin and first:
        latent = origin.noised(alphas[first], noises[first], noise)
    for i, timestep in enumerate(timesteps[first:], first):
        prediction = yield Query(latent, float(timestep), clean)
        before, clean = clean, _clean(schedule, latent, prediction, alphas[i], noises[i])
        h = lambdas[i + 1] - lambdas[i]
        direction = clean
        if before is not None and not (i == steps - 1 and _first_order_at_end(schedule, steps)):
            direction = clean + (clean - before) * (h / (2 * (lambdas[i] - lambdas[i - 1])))
        latent = noises[i + 1] / noises[i] * latent - alphas[i + 1] * (np.exp(-h) - 1) * direction
        if origin:
            latent = origin.restored(latent, alphas[i + 1], noises[i + 1], noise)
    return latent


def _first_order_at_end(schedule: Schedule, steps: int) -> bool:
    few = schedule.lower_order_final and steps < _FEW_STEPS
    return few or schedule.euler_at_final or schedule.final_sigmas_type == "zero"


def _clean(
    schedule: Schedule, latent: Latent, prediction: Latent, signal: np.float32, noise: np.float32
) -> Latent:
    match schedule.prediction_type:
        case "epsilon":
            return np.divide(latent - noise * prediction, signal, dtype=np.float32)
        case "v_prediction":
            return signal * latent - noise * prediction
        case "sample":
            return prediction


def _levels(schedule: Schedule, steps: int) -> tuple[NDArray[np.int64], Floats]:
    """Give timesteps (steps,) and sigmas (steps + 1,)."""
    if schedule.use_karras_sigmas:
        sigmas = schedule.karras_sigmas(steps, float(schedule.sigmas[-1]), float(schedule.sigmas[0]))
        timesteps = schedule.timesteps_of(sigmas)
        if schedule.beta_schedule != "squaredcos_cap_v2":
            timesteps = timesteps.round()
    else:
        timesteps = _spaced(schedule, steps)
        sigmas = np.interp(timesteps, np.arange(len(schedule.sigmas)), schedule.sigmas)
    return timesteps.astype(np.int64), np.append(sigmas, schedule.final_sigma()).astype(np.float32)


def _spaced(schedule: Schedule, steps: int) -> NDArray[np.float64]:
    end = _last_timestep(schedule)
    match schedule.timestep_spacing or "linspace":
        case "linspace":
            return np.linspace(0, end - 1, steps + 1).round()[:0:-1]
        case "leading":
            stride = end // (steps + 1)
            return (np.arange(steps, 0, -1) * stride + schedule.steps_offset).astype(np.float64)
        case "trailing":
            return schedule.trailing(steps, end)


def _last_timestep(schedule: Schedule) -> int:
    """Count the timesteps whose log signal-to-noise is not below `lambda_min_clipped`."""
    alphas = schedule.nonzero_alphas_cumprod
    lambdas = np.log(np.sqrt(alphas)) - np.log(np.sqrt(1 - alphas))
    return schedule.num_train_timesteps - int(np.searchsorted(lambdas[::-1], schedule.lambda_min_clipped))
