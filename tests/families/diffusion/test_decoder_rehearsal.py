"""Rehearsing what a decoder made of drawings before it learned."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import AutoencoderKL

from limner.families import layout
from limner.families.diffusion.autoencoder_stage import build_autoencoder
from limner.families.diffusion.decoder_rehearsal import SHAKEN, DecoderRehearsal
from limner.families.diffusion.recipe import Autoencoder
from limner.registry.manifest import Layout

_COUNT, _SIDE = 3, 8
_HALF = 0.25  # the first layout channel where a subject fills half of a cell


@pytest.fixture
def vae() -> AutoencoderKL:
    """A decoder of latents that are layout channels alone, to pictures twice as large."""
    torch.manual_seed(0)
    recipe = Autoencoder(steps=1, channels=(8, 16), latent_channels=layout.CHANNELS)
    return build_autoencoder(recipe, 2 * _SIDE).eval()


@pytest.fixture
def latents() -> torch.Tensor:
    """Noise, but for the first channel, which is number and place of each cell."""
    made = torch.randn(_COUNT, layout.CHANNELS, _SIDE, _SIDE, generator=torch.Generator().manual_seed(1))
    made[:, 0] = torch.arange(_COUNT * _SIDE**2).view(_COUNT, _SIDE, _SIDE)
    return made


def _rehearsal(vae: AutoencoderKL, latents: torch.Tensor, half: float) -> DecoderRehearsal:
    rest = layout.CHANNELS - 1
    scale = Layout(names=("subject",), mean=(-half, *[0.0] * rest), std=(1.0,) * layout.CHANNELS)
    return DecoderRehearsal(latents, latents[:2] + 1, vae, scale)


def test_squares_are_of_any_drawing_and_place_and_little_noise_is_put_on_them(
    vae: AutoencoderKL, latents: torch.Tensor
) -> None:
    given, _, _ = _rehearsal(vae, latents, 0).rows(300, 5, torch.Generator().manual_seed(2))
    number = given[:, 0].round().long()
    corner = number[:, 0, 0]
    assert set((corner // _SIDE**2).tolist()) == set(range(_COUNT))
    assert {(int(c) // _SIDE % _SIDE, int(c) % _SIDE) for c in corner} == {
        (y, x) for y in range(4) for x in range(4)
    }
    within = torch.arange(5)
    assert torch.equal(number, corner.view(-1, 1, 1) + _SIDE * within.view(-1, 1) + within)
    there = latents.permute(1, 0, 2, 3).flatten(1)[:, number].permute(1, 0, 2, 3)
    assert float((given - there).std()) == pytest.approx(SHAKEN, rel=0.02)


def test_the_pictures_are_by_the_decoder_as_it_was(vae: AutoencoderKL, latents: torch.Tensor) -> None:
    was = copy.deepcopy(vae)
    rehearsal = _rehearsal(vae, latents, 0)
    with torch.no_grad():
        vae.decoder.conv_out.weight.mul_(3)
        given, made, _ = rehearsal.rows(4, 6, torch.Generator().manual_seed(2))
        assert torch.equal(made, was.decode(given).sample)
        assert not torch.allclose(made, vae.decode(given).sample)


def test_subjects_are_where_they_fill_half_a_cell(vae: AutoencoderKL, latents: torch.Tensor) -> None:
    latents[:, 0] = _HALF - 0.1
    latents[:, 0, :, 3:] = _HALF + 0.1
    _, made, inside = _rehearsal(vae, latents, _HALF).rows(1, _SIDE, torch.Generator().manual_seed(2))
    assert inside.shape == (1, 1, 2 * _SIDE, 2 * _SIDE) == (1, 1, *made.shape[2:])
    assert torch.equal(inside[0, 0], (torch.arange(2 * _SIDE) >= 6).float().expand(2 * _SIDE, -1))


def test_drift_is_how_far_another_decoder_is_inside_held_out_subjects(
    vae: AutoencoderKL, latents: torch.Tensor
) -> None:
    was, other = copy.deepcopy(vae), copy.deepcopy(vae)
    with torch.no_grad():
        other.decoder.conv_out.weight.mul_(1.5)
    rehearsal = _rehearsal(vae, latents, 65.5)
    held_out = latents[:2] + 1  # numbered from 1: a half of the first, all of the second
    assert rehearsal.drift(lambda given: was.decode(given).sample) == 0
    off, count = 0.0, 0
    for k in range(2):
        with torch.no_grad():
            one, two = (each.decode(held_out[k : k + 1]).sample[0] for each in (was, other))
        for y in range(2 * _SIDE):
            for x in range(2 * _SIDE):
                if held_out[k, 0, y // 2, x // 2] > 65.5:
                    off, count = off + float((one[:, y, x] - two[:, y, x]).abs().mean()) * 127.5, count + 1
    assert 0 < count < 2 * 4 * _SIDE**2
    assert rehearsal.drift(lambda given: other.decode(given).sample) == pytest.approx(off / count, rel=1e-4)
