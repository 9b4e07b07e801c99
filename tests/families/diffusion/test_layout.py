"""The channels that say where subjects are: their values, and an autoencoder that carries them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from limner.errors import InvalidInput
from limner.families.diffusion import layout
from limner.families.diffusion.autoencoder_stage import build_autoencoder
from limner.families.diffusion.parent import take_weights
from limner.families.diffusion.recipe import Autoencoder

_NONE = [np.nan] * 4


def _one(boxes: list[list[float]]) -> NDArray[np.float32]:
    cells = np.zeros((1, 8, 8), np.float16)
    cells[0, 2:4, 2:6] = 0.5
    made: NDArray[np.float32] = layout.layout(np.array([boxes], np.float32), cells)[0]
    return made


def test_a_subject_gives_coordinates_over_its_box() -> None:
    share, x, y = _one([[0.25, 0.25, 0.75, 0.5], _NONE])
    assert share[2, 2] == 0 and share[0, 0] == -1
    assert x[2, 2:6].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    assert y[2:4, 2].tolist() == pytest.approx([-0.5, 0.5])
    assert x[2, 1] == pytest.approx(-1.25)  # just outside, within reach
    assert not x[2, 0] and not y[5, 3] and not x[7].any()


def test_the_nearest_of_two_subjects_counts() -> None:
    _, x, _ = _one([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]])
    assert x[4].tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75] * 2)


def test_a_picture_without_subjects_has_no_coordinates() -> None:
    _, x, y = _one([_NONE, _NONE])
    assert not x.any() and not y.any()


def test_standardised_by_the_first() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(3, 2, (50, 3, 8, 8)).astype(np.float32), np.full((1, 3, 8, 8), 3, np.float32)
    scale = layout.scale_of(first)
    found = [layout.standardised(each, scale) for each in (first, second)]
    assert abs(float(found[0].astype(np.float64).std()) - 1) < 1e-2 and abs(float(found[1].mean())) < 0.05


def test_a_set_without_masks_is_refused() -> None:
    layout.check_boxes(np.array([[_NONE, [0, 0, 1, 1]]], np.float32))
    with pytest.raises(InvalidInput, match="masks"):
        layout.check_boxes(np.array([[_NONE, _NONE]], np.float32))


def _autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    recipe = Autoencoder(steps=1, channels=(8, 16), latent_channels=4)
    return build_autoencoder(recipe, 32).eval().requires_grad_(False)


def test_a_wider_autoencoder_makes_the_same_pictures_of_the_same_latents() -> None:
    vae = _autoencoder()
    pictures, channels = torch.rand(6, 3, 32, 32) * 2 - 1, torch.randn(6, 3, 16, 16)
    wide = layout.widened(vae, pictures, channels)
    narrow, found = vae.encode(pictures).latent_dist, wide.encode(pictures).latent_dist
    assert wide.config.latent_channels == 7
    torch.testing.assert_close(found.mean[:, :4], narrow.mean)
    torch.testing.assert_close(found.logvar[:, :4], narrow.logvar)
    latents = torch.randn(2, 7, 16, 16)
    torch.testing.assert_close(wide.decode(latents).sample, vae.decode(latents[:, :4]).sample)


def test_the_encoder_guesses_the_new_channels_by_least_squares() -> None:
    """What is a linear function of the encoder's last features is found but for the ridge."""
    vae = _autoencoder()
    pictures = torch.rand(6, 3, 32, 32) * 2 - 1
    linear = torch.nn.Conv2d(16, 3, 3, padding=1)
    seen: list[torch.Tensor] = []
    hook = vae.encoder.conv_out.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    vae.encode(pictures)
    hook.remove()
    channels = linear(seen[0]).detach()
    guess = layout.widened(vae, pictures, channels).encode(pictures).latent_dist.mean[:, 4:]
    assert float((guess - channels).square().mean() / channels.var()) < 0.01


def test_a_child_takes_the_narrow_part_of_its_parent(tmp_path: Path) -> None:
    vae = _autoencoder()
    wide = layout.widened(vae, torch.rand(2, 3, 32, 32), torch.randn(2, 3, 16, 16))
    wide.save_pretrained(tmp_path / "vae")
    torch.manual_seed(1)
    child = build_autoencoder(Autoencoder(steps=1, channels=(8, 16), latent_channels=4), 32)
    assert take_weights(child, tmp_path, "vae")
    plain = build_autoencoder(Autoencoder(steps=1, channels=(8, 16), latent_channels=7), 32)
    plain.save_pretrained(tmp_path / "plain" / "vae")
    assert not take_weights(child, tmp_path / "plain", "vae")  # its decoder reads all of its channels
    for name, weight in child.state_dict().items():
        torch.testing.assert_close(weight, vae.state_dict()[name])
