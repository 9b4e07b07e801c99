"""The losses against slow obvious versions and closed forms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from limner.families.diffusion.loss import (
    kl_divergence,
    min_snr_weight,
    noised,
    reconstruction_loss,
    target,
    velocity,
    weighted_square_error,
)


def test_reconstruction_is_a_weighted_l1_on_pixels_and_edges() -> None:
    made, true = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 5, 4)
    weight = 1 + torch.rand(2, 1, 5, 4)
    error = (made - true).tolist()
    sums = {"pixel": [0.0, 0.0], "vertical": [0.0, 0.0], "horizontal": [0.0, 0.0]}
    for b, y, x in product(range(2), range(5), range(4)):
        here = float(weight[b, 0, y, x])
        for kind, dy, dx in (("pixel", 0, 0), ("vertical", 1, 0), ("horizontal", 0, 1)):
            if y < dy or x < dx:
                continue
            share = min(here, float(weight[b, 0, y - dy, x - dx]))
            sums[kind][1] += share
            for c in range(3):
                before = error[b][c][y - dy][x - dx] if kind != "pixel" else 0.0
                sums[kind][0] += share * abs(error[b][c][y][x] - before) / 3
    pixel, vertical, horizontal = (total / norm for total, norm in sums.values())
    expected = pixel + 0.7 * (vertical + horizontal)
    assert float(reconstruction_loss(made, true, weight, 0.7)) == pytest.approx(expected, rel=1e-4)


def test_with_squares_a_rare_mark_moves_what_is_drawn_and_without_them_it_does_not() -> None:
    """Of ten pictures that look alike two have a white mark: the median has none, the mean has a fifth of it."""
    true = torch.full((10, 3, 2, 2), -1.0)
    true[:2] = 1.0
    weight = torch.ones(10, 1, 2, 2)

    def best(square_weight: float) -> float:
        tried = torch.linspace(-1, 1, 201)
        losses = [
            float(reconstruction_loss(value.expand_as(true), true, weight, 0.0, square_weight))
            for value in tried
        ]
        return float(tried[int(np.argmin(losses))])

    assert best(0.0) == -1.0
    # where the derivative of 0.8 (x + 1) + 0.2 (1 - x) + w (0.8 (x + 1)^2 + 0.2 (1 - x)^2) is zero
    assert best(2.0) == pytest.approx(-0.6 - 0.3 / 2, abs=0.011)


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
