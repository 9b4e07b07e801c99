"""The losses against slow obvious versions and closed forms."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler

from limner.families.diffusion.loss import (
    kl_divergence,
    min_snr_weight,
    noised,
    target,
    velocity,
    weighted_square_error,
)


def test_kl_is_that_of_torch() -> None:
    mean, logvar = torch.randn(4, 8), torch.randn(4, 8)
    ours = torch.distributions.Normal(mean, (logvar / 2).exp())
    expected = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).mean()
    assert float(kl_divergence(mean, logvar)) == pytest.approx(float(expected), rel=1e-5)


def test_min_snr_of_velocity() -> None:
    snr = torch.tensor([0.0, 0.5, 5.0, 100.0])
    assert min_snr_weight(snr, 5.0).tolist() == pytest.approx([0.0, 0.5 / 1.5, 5 / 6, 5 / 101])
    assert min_snr_weight(snr, 0.0).tolist() == [1, 1, 1, 1]


def test_min_snr_of_other_predictions_counts_the_same_error_the_same() -> None:
    """An error of epsilon is that of the clean latent times sqrt(SNR), one of velocity times sqrt(SNR + 1)."""
    snr = torch.tensor([0.01, 0.5, 5.0, 100.0])
    clean = snr.clamp(max=5.0)
    assert torch.allclose(min_snr_weight(snr, 5.0, "sample"), clean)
    assert torch.allclose(min_snr_weight(snr, 5.0, "epsilon") * snr, clean)
    assert torch.allclose(min_snr_weight(snr, 5.0, "v_prediction") * (snr + 1), clean)
    assert min_snr_weight(torch.zeros(1), 5.0, "epsilon").tolist() == [1.0]


def test_what_is_predicted_and_what_is_seen_are_those_of_diffusers() -> None:
    scheduler = DDPMScheduler()
    clean, noise, timesteps = torch.randn(3, 2, 3, 3), torch.randn(3, 2, 3, 3), torch.tensor([0, 500, 999])
    alpha_bar = scheduler.alphas_cumprod[timesteps]
    assert torch.allclose(
        noised(clean, noise, alpha_bar), scheduler.add_noise(clean, noise, timesteps), atol=1e-6
    )
    assert torch.equal(target("epsilon", clean, noise, alpha_bar), noise)
    assert torch.equal(target("sample", clean, noise, alpha_bar), clean)
    assert torch.allclose(
        target("v_prediction", clean, noise, alpha_bar), scheduler.get_velocity(clean, noise, timesteps)
    )


def test_velocity_is_that_of_diffusers() -> None:
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    clean, noise, timesteps = (
        torch.randn(4, 2, 3, 3),
        torch.randn(4, 2, 3, 3),
        torch.tensor([0, 300, 700, 999]),
    )
    expected = scheduler.get_velocity(clean, noise, timesteps)
    assert torch.allclose(velocity(clean, noise, scheduler.alphas_cumprod[timesteps]), expected, atol=1e-6)


def test_cell_weights_move_attention_but_not_the_scale() -> None:
    made, true = torch.ones(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    cells = torch.tensor([[[[1.0, 1.0], [1.0, 5.0]]]])
    one = torch.ones(1)
    assert float(weighted_square_error(made, true, one, cells)) == pytest.approx(1.0)
    made[..., 1, 1] = 0
    assert float(weighted_square_error(made, true, one, cells)) == pytest.approx(3 / 8)
