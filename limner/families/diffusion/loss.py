"""The losses of latent diffusion, as plain functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """Mean KL divergence from N(mean, exp(logvar)) to N(0, 1), per latent element (Kingma & Welling, 2014)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()


def min_snr_weight(snr: Tensor, gamma: float, prediction: str = "v_prediction") -> Tensor:
    """Weight of the loss at a signal-to-noise ratio, so that it counts like min(SNR, gamma) times that of the clean
    latent (Hang et al., 2023).

    snr: (B,), may be zero, where the weight is that of its limit; gamma 0 means no weighting. `prediction` is
    v_prediction, epsilon or sample, as in diffusers.
    """
    if gamma == 0:
        return torch.ones_like(snr)
    least = snr.clamp(max=gamma)
    if prediction == "sample":
        return least
    if prediction == "epsilon":
        return torch.where(snr > gamma, gamma / snr.clamp(min=gamma), torch.ones_like(snr))
    return least / (snr + 1)


def target(prediction: str, clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """What a denoiser should predict: epsilon, v_prediction or sample, as in diffusers; alpha_bar: (B,)."""
    if prediction == "v_prediction":
        return velocity(clean, noise, alpha_bar)
    return noise if prediction == "epsilon" else clean


def noised(clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """sqrt(a) clean + sqrt(1 - a) noise; alpha_bar: (B,)."""
    a = alpha_bar.view(-1, *[1] * (clean.ndim - 1))
    return a.sqrt() * clean + (1 - a).sqrt() * noise


def velocity(clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """v = sqrt(a) noise - sqrt(1 - a) clean (Salimans & Ho, 2022); alpha_bar: (B,)."""
    a = alpha_bar.view(-1, *[1] * (clean.ndim - 1))
    return a.sqrt() * noise - (1 - a).sqrt() * clean


def weighted_square_error(made: Tensor, true: Tensor, timestep_weight: Tensor, cell_weight: Tensor) -> Tensor:
    """Squared error averaged with one weight per example (B,) and one per latent cell (B, 1, h, w).

    Cell weights are normalised over each picture, so that they move attention without changing the scale.
    """
    cells = cell_weight / cell_weight.mean(dim=(1, 2, 3), keepdim=True)
    error = ((made.float() - true.float()).square() * cells).mean(dim=(1, 2, 3))
    return (error * timestep_weight).mean()
