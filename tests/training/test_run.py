"""A whole recipe in small: from nothing to a model directory that draws, and a second call that repeats nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import InvalidInput
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


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("text_length = 16", "text_length = 24", "denoiser.text_length"),
        ("seed = 4", "seed = 5", "seed"),
        ("held_out = 0.2", "held_out = 0.3", "data.held_out"),
    ],
)
def test_a_run_goes_on_only_by_its_own_recipe(
    run: Path, tmp_path: Path, old: str, new: str, named: str
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace(old, new))
    with pytest.raises(
        InvalidInput, match=f"^{named} is .* and was .* start again without --resume"
    ) as raised:
        train(other, run / "out", resume=True)
    assert raised.value.field == named


def test_networks_of_the_same_shape_go_on_from_a_parent(run: Path, tmp_path: Path) -> None:
    """With no more than a step at a rate of almost nothing, the parent's weights come out again."""
    parent = open_model(run / "out" / "model")
    recipe = RECIPE.replace("steps = 4", "steps = 1\nlearning_rate = 1e-9").replace(
        "channels = [16, 32]", "channels = [32, 32]"
    )
    (tmp_path / "child.toml").write_text(recipe)
    child = train(tmp_path / "child.toml", tmp_path / "out", resume=False, parent=parent)
    assert child.manifest.lineage.parent == "small@1"
    file = Path("text_encoder") / "model.safetensors"
    before, after = load_file(parent.path / file), load_file(child.path / file)
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)
    before, after = (
        load_file(m.path / "unet" / "diffusion_pytorch_model.safetensors") for m in (parent, child)
    )
    assert {n: w.shape for n, w in before.items()} != {n: w.shape for n, w in after.items()}
    tokenizers = [(m.path / "tokenizer" / "tokenizer.json").read_bytes() for m in (parent, child)]
    assert tokenizers[0] == tokenizers[1]
