"""Tuning the built-in model: on the true layout, as far as it says something to the model, and by LoRA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from limner.data.captioned import read_set
from limner.data.storybook import write_storybook
from limner.data.subjects import cell_shares, shown_subjects
from limner.families import layout
from limner.families.diffusion.recipe import Tuning
from limner.families.diffusion.tunable import load_tunable
from limner.families.diffusion.tuning_examples import Encoders, TuningExamples
from limner.families.diffusion.tuning_stage import TuningStage
from limner.registry.models import BUILT_IN, Model, open_model
from limner.storybook.worlds import world
from limner.training.cache import ArrayCache
from limner.training.precision import autocast

_COUNT, _SIDE = 6, 256


@pytest.fixture
def storybook() -> Model:
    """The built-in model."""
    return open_model(BUILT_IN / "storybook")


def _encoders(model: Model, folder: Path) -> Encoders:
    tokenizer = CLIPTokenizer.from_pretrained(model.path / "tokenizer")
    return Encoders(model.path, tokenizer, ArrayCache(folder / "cache"), "float32")


def _examples(model: Model, name: str, folder: Path, encode_texts: bool = False) -> TuningExamples:
    write_storybook(folder / name, _COUNT, _SIDE, 31, world=name)
    items = read_set(folder / name).items
    encoders = _encoders(model, folder)
    return encoders.examples(items, _SIDE, 64, False, False, model.manifest.layout, encode_texts)


def _clean(examples: TuningExamples) -> tuple[Tensor, Tensor]:
    return examples.clean(np.arange(_COUNT), torch.Generator().manual_seed(0))


def test_the_layout_is_the_true_one(storybook: Model, tmp_path: Path) -> None:
    scale = storybook.manifest.layout
    assert scale is not None
    latents, cells = _clean(_examples(storybook, "scenes", tmp_path))
    of = world("scenes")
    for k, item in enumerate(read_set(tmp_path / "scenes").items):
        picture = np.asarray(of.example(31, k, _SIDE).image)
        shown, placings = shown_subjects(item, scale.names, picture)
        shares = cell_shares(shown, _SIDE // cells.shape[-1])
        true = layout.layout(placings[None], shares[None], layout.codes_of(scale), scale.drawings)[0]
        made = latents[k, -layout.CHANNELS :].numpy()
        assert np.abs(made - layout.standardised(true, scale)).max() < 0.01
        assert np.abs(cells[k, 0].numpy() - shares).max() < 0.01


@pytest.mark.parametrize("name", ["scenes", "creatures"])
def test_what_a_set_tells_stays_in_the_range_that_the_model_knows(
    name: str, storybook: Model, tmp_path: Path
) -> None:
    """The built-in model has learned from subjects that stand still, and these lean."""
    latents, _ = _clean(_examples(storybook, name, tmp_path))
    assert float(latents.abs().max()) < 12


def test_a_lora_learns_beside_a_frozen_text_encoder(storybook: Model, tmp_path: Path) -> None:
    """Its frozen weights are in bfloat16 where the processor has that, and the encodings come from the cache."""
    tuning = Tuning(steps=1, method="lora")
    examples = _examples(storybook, "scenes", tmp_path, encode_texts=True)
    model = load_tunable(storybook, tuning, 0, _SIDE)
    stage = TuningStage(tuning, model, examples, examples, _encoders(storybook, tmp_path), 3.0, 0)
    with autocast("cpu", tuning.precision):
        loss = stage.loss(0, 0, 2, torch.Generator().manual_seed(0))["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss.detach()) and any(
        parameter.grad is not None and parameter.grad.any() for parameter in stage.module.parameters()
    )
