"""A whole recipe in small: from nothing to a model directory that draws, and a second call that repeats nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry import Registry
from limner.registry.models import open_model
from limner.training.run import train

RECIPE = """
seed = 4
[data]
storybook_count = 24
size = 64
held_out = 0.2
[autoencoder]
channels = [8, 16, 16, 16]
latent_channels = 4
steps = 4
batch_size = 4
crop = 32
whole_from = 0.5
warmup = 1
[denoiser]
channels = [16, 32]
heads = 2
text_layers = 1
text_width = 32
text_heads = 2
text_length = 16
vocabulary_size = 600
steps = 4
batch_size = 4
warmup = 1
simple_until = 0.5
[model]
name = "small"
title = "Small"
description = "Four steps of each."
sampler = { steps = 3 }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(RECIPE)
    train(folder / "small.toml", folder / "out", resume=False)
    return folder


def test_the_model_draws(run: Path, tmp_path: Path) -> None:
    model = open_model(run / "out" / "model")
    assert model.manifest.lineage.examples == 16 and "24 of seed 1" in model.manifest.lineage.data
    assert model.manifest.vocabulary is not None and "apple" in model.manifest.vocabulary
    studio = LocalStudio(Registry(tmp_path))
    picture = studio.draw(DrawRequest(prompt="a red apple", model=str(model.path), seed=1))
    studio.close()
    assert picture.pixels.shape == (64, 64, 3) and picture.request.steps == 3


def test_a_second_call_goes_on_where_the_first_ended(run: Path) -> None:
    weights = run / "out" / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    latents = run / "out" / "cache" / "latents-train.npy"
    before, made = weights.read_bytes(), latents.stat().st_mtime_ns
    train(run / "small.toml", run / "out", resume=True)
    assert weights.read_bytes() == before
    assert latents.stat().st_mtime_ns == made


def test_latents_are_standardised(run: Path) -> None:
    latents = np.load(run / "out" / "cache" / "latents-train.npy").astype(np.float64)
    assert np.abs(latents.mean((0, 2, 3))).max() < 0.02
    assert np.abs(latents.std((0, 2, 3)) - 1).max() < 0.02
