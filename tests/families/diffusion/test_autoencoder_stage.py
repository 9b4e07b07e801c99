"""What the autoencoder is trained on: the terms of its loss, and which subject a latent shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from limner.data.arrays import PictureArrays
from limner.families.diffusion.autoencoder_stage import AutoencoderStage, set_posterior
from limner.families.diffusion.loss import kl_divergence
from limner.families.diffusion.recipe import Autoencoder
from limner.training.pictures import to_pixels


def _stage(**changed: object) -> AutoencoderStage:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    subjects = np.zeros((6, 32, 32), np.uint8)
    subjects[:, 8:20, 12:] = 2
    boxes = np.full((6, 8, 4), np.nan, np.float32)
    arrays = PictureArrays(pictures, subjects, boxes, ("subject", "dog"), "")
    values = {"steps": 10, "channels": (8, 16, 16), "latent_channels": 4, "crop": 16, "whole_from": 0.0}
    return AutoencoderStage(Autoencoder.model_validate(values | changed), arrays, arrays, seed=1)


def _losses(stage: AutoencoderStage, step: int = 9) -> dict[str, float]:
    found = stage.loss(step, 0, 4, torch.Generator().manual_seed(0))
    return {name: float(value.detach()) for name, value in found.items()}


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    found = _losses(_stage(kl_weight=0.01, scale_weight=0.25, subject_weight=0.1))
    total = found["reconstruction"] + 0.01 * found["kl"] + 0.25 * found["halved"] + 0.1 * found["subjects"]
    assert found["loss"] == pytest.approx(total, rel=1e-5)
    assert set(_losses(_stage())) == {"loss", "reconstruction", "kl"}


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (2, 0.4), (5, 1.0), (9, 1.0)])
def test_the_weight_of_the_divergence_rises_over_the_first_half(step: int, share: float) -> None:
    found = _losses(_stage(kl_weight=0.5), step)
    assert found["loss"] - found["reconstruction"] == pytest.approx(0.5 * share * found["kl"], abs=1e-5)


def test_a_latent_shows_what_the_middle_of_its_square_shows() -> None:
    stage = _stage()
    _, weight, kinds = stage._tensors(stage.train.pictures[:2], stage.train.subjects[:2])
    assert kinds.shape == (2, 8, 8)
    expected = torch.zeros(8, 8, dtype=torch.long)
    expected[2:5, 3:] = 2  # pixels 10, 14, 18 of the rows and 14, 18, ... of the columns lie inside
    assert torch.equal(kinds[0], expected)
    assert weight[0, 0, 8, 12] == 1 + stage.recipe.mask_weight and weight[0, 0, 7, 12] == 1


def test_squares_of_pictures_and_of_subjects_are_cut_at_the_same_places() -> None:
    """Where every pixel says which it is, and what it shows follows from that."""
    stage = _stage(whole_from=1.0, mask_weight=3.0)
    number, row, column = np.mgrid[:6, :32, :32]
    stage.train = replace(
        stage.train,
        pictures=np.stack([number, row, column], 3).astype(np.uint8),
        subjects=((number + row + column // 4) % 3).astype(np.uint8),
    )
    places = set()
    for step in range(8):
        shown, weight, kinds = stage._batch(step, 6 * step, 6)
        assert shown.shape == (6, 3, 16, 16)
        pixels = torch.from_numpy(to_pixels(shown)).long()  # (B, 16, 16, 3)
        said = (pixels[..., 0] + pixels[..., 1] + pixels[..., 2] // 4) % 3
        assert torch.equal(weight[:, 0], 1 + 3.0 * (said > 0)) and torch.equal(kinds, said[:, 2::4, 2::4])
        assert sorted(pixels[:, 0, 0, 0].tolist()) == list(range(6))
        places |= {tuple(each) for each in pixels[:, 0, 0, 1:].tolist()}
    assert len(places) > 10 and all(y % 4 == x % 4 == 0 for y, x in places)


def test_a_posterior_can_be_set() -> None:
    stage = _stage()
    set_posterior(stage.vae, -4.0)
    with torch.no_grad():
        posterior = stage.vae.encode(torch.rand(2, 3, 32, 32)).latent_dist
    assert torch.allclose(posterior.logvar, torch.tensor(-4.0))
    expected = 0.5 * (posterior.mean.square() + np.exp(-4.0) - 1 + 4.0).mean()
    assert float(kl_divergence(posterior.mean, posterior.logvar)) == pytest.approx(float(expected), rel=1e-5)


def test_validation_names_subjects_only_where_there_are_any() -> None:
    stage = _stage(subject_weight=0.1)
    with torch.no_grad():
        assert set(stage.validate()) == {"l1", "l1_subjects", "subjects"}
        bare = replace(stage.train, subjects=np.zeros_like(stage.train.subjects), names=("subject",))
        stage.held_out = bare
        assert set(stage.validate()) == {"l1"}
