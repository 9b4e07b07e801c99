"""The losses of latent diffusion, as plain functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def reconstruction_loss(
    made: Tensor, true: Tensor, weight: Tensor, edge_weight: float, square_weight: float = 0.0
) -> Tensor:
    """Weighted L1 on pixels and on the differences of neighbours (which keeps edges sharp), and the squared error of
    pixels, which moves them toward what is only likely.

    made, true: (B, 3, H, W) in -1..1; weight: (B, 1, H, W), positive.
    """
    error, edges = made - true, torch.zeros((), device=made.device)
    pixels = (weight * (error.abs() + square_weight * error.square())).mean() / weight.mean()
    for axis in (2, 3):
        both = torch.minimum(
            weight.narrow(axis, 1, weight.shape[axis] - 1), weight.narrow(axis, 0, weight.shape[axis] - 1)
        )
        edges = edges + (both * error.diff(dim=axis).abs()).mean() / both.mean()
    return pixels + edge_weight * edges


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
