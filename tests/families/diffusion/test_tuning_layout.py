"""What a model with layout channels is tuned on: the true layout of kinds that it knows, a guessed one of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTokenizer

from limner.data.captioned import read_set
from limner.data.storybook import write_storybook
from limner.families.diffusion import layout
from limner.families.diffusion.tuning_examples import Encoders, TuningExamples
from limner.registry.models import BUILT_IN, Model, open_model
from limner.storybook.worlds import world
from limner.training.cache import ArrayCache
from limner.training.pictures import cell_shares, shown_subjects, to_pixels

_COUNT, _SIDE = 6, 256


@pytest.fixture
def storybook() -> Model:
    """The built-in model."""
    return open_model(BUILT_IN / "storybook")


def _examples(model: Model, name: str, folder: Path) -> TuningExamples:
    write_storybook(folder / name, _COUNT, _SIDE, 31, world=name)
    tokenizer = CLIPTokenizer.from_pretrained(model.path / "tokenizer")
    encoders = Encoders(model.path, tokenizer, ArrayCache(folder / "cache"), "float32")
    items = read_set(folder / name).items
    return encoders.examples(items, _SIDE, 64, False, False, model.manifest.layout, False)


def _clean(examples: TuningExamples) -> tuple[Tensor, Tensor]:
    return examples.clean(np.arange(_COUNT), torch.Generator().manual_seed(0))


def test_of_kinds_that_it_knows_the_layout_is_the_true_one(storybook: Model, tmp_path: Path) -> None:
    scale = storybook.manifest.layout
    assert scale is not None
    latents, cells = _clean(_examples(storybook, "scenes", tmp_path))
    of = world("scenes")
    for k, item in enumerate(read_set(tmp_path / "scenes").items):
        picture = np.asarray(of.example(31, k, _SIDE).image)
        shown, placings = shown_subjects(item, scale.names, picture)
        shares = cell_shares(shown, _SIDE // cells.shape[-1])
        true = layout.layout(placings[None], shares[None], scale.names, scale.drawings)[0]
        made = latents[k, -layout.CHANNELS :].numpy()
        assert np.abs(made - layout.standardised(true, scale)).max() < 0.01
        assert np.abs(cells[k, 0].numpy() - shares).max() < 0.01


def test_what_it_learns_of_kinds_that_it_does_not_know_decodes_to_what_was_shown(
    storybook: Model, tmp_path: Path
) -> None:
    latents, cells = _clean(_examples(storybook, "creatures", tmp_path))
    vae = AutoencoderKL.from_pretrained(storybook.path / "vae")
    with torch.no_grad():
        pictures = to_pixels(vae.decode(latents).sample)
    of, held = world("creatures"), []
    for k, picture in enumerate(pictures):
        example = of.example(31, k, _SIDE)
        held += [verdict.holds for verdict in of.judge(np.asarray(picture), [example.scene])[0]]
        shares = cell_shares(np.asarray(example.mask), _SIDE // cells.shape[-1])
        assert np.abs(cells[k, 0].numpy() - shares).max() < 0.01
    assert np.mean(held) > 0.95
