"""Tuning the built-in model: on the true layout, as far as it says something to the model, and by LoRA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor
from transformers import CLIPTokenizer

from limner.data.captioned import Item, read_set
from limner.data.pictures import load_picture
from limner.data.storybook import write_storybook
from limner.data.subjects import cell_shares, shown_subjects, subject_names
from limner.families import layout
from limner.families.diffusion.recipe import Tuning
from limner.families.diffusion.tunable import load_tunable
from limner.families.diffusion.tuning_examples import Encoders, TuningExamples, load_autoencoder
from limner.families.diffusion.tuning_stage import TuningStage
from limner.registry.models import BUILT_IN, Model, open_model
from limner.storybook.worlds import world
from limner.training.cache import ArrayCache
from limner.training.pictures import to_tensor
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


def _turned(told: dict[str, Any]) -> dict[str, Any]:
    """What is told of a subject or a part, of its mirror image."""
    left, top, right, bottom = told["frame"]
    turned = told | {"frame": [1 - right, top, 1 - left, bottom], "mirrored": not told.get("mirrored", False)}
    if "parts" in told:
        turned["parts"] = [_turned(part) for part in told["parts"]]
    return turned


def _mirrored(folder: Path, to: Path) -> tuple[Item, ...]:
    """A set of the mirror images of a set, of whose subjects the same is told the other way round."""
    lines = []
    for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line)
        for name in (told["file_name"], told["mask"]):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            with Image.open(folder / name) as picture:
                ImageOps.mirror(picture).save(to / name)
        lines.append(json.dumps(told | {"subjects": [_turned(each) for each in told["subjects"]]}))
    (to / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_set(to).items


@pytest.mark.parametrize("name", ["scenes", "creatures"])
def test_a_mirror_image_is_what_a_set_of_mirrored_pictures_would_give(
    name: str, storybook: Model, tmp_path: Path
) -> None:
    """Its layout and its latents, and both of the same turn in what is learned from."""
    items = read_set(write_storybook(tmp_path / name, 2, 128, 31, world=name)).items
    assert storybook.manifest.layout is not None
    scale = layout.with_kinds(storybook.manifest.layout, subject_names(items))
    examples = _encoders(storybook, tmp_path).examples(items, 128, 64, False, True, scale, False)
    vae = load_autoencoder(storybook.path)
    for k, item in enumerate(_mirrored(tmp_path / name, tmp_path / "mirrored")):
        picture = load_picture(item.file, 128)
        expected = vae.encode(to_tensor(picture[None])).latent_dist.mean[0].numpy()
        means = np.split(examples.cache[examples.latents[k][1]], 2)[0]
        assert np.abs(means - expected).max() < 2e-2
        shown, placings = shown_subjects(item, scale.names, picture)
        shares = cell_shares(shown, 128 // means.shape[-1])
        true = layout.layout(placings[None], shares[None], layout.codes_of(scale), scale.drawings)[0]
        plain, turned = (examples.cache[str(key)] for key in examples.shown[k])
        assert np.array_equal(turned[0], plain[0][:, ::-1]) and not np.array_equal(turned[0], plain[0])
        assert np.abs(turned - true).max() < 1e-4
    chosen = np.arange(2).repeat(6)
    latents, cells = examples.clean(chosen, torch.Generator().manual_seed(0))
    turns = (torch.rand(len(chosen), generator=torch.Generator().manual_seed(0)) < 0.5).int().tolist()
    assert {*zip(chosen.tolist(), turns, strict=True)} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for row, (k, turn) in enumerate(zip(chosen.tolist(), turns, strict=True)):
        told = examples.cache[str(examples.shown[k][turn])]
        assert np.abs(cells[row, 0].numpy() - (told[0] + 1) / 2).max() < 1e-3
        at = -layout.CHANNELS
        apart = latents[row].numpy() - examples.known(k, turn)[0]
        deviation = np.exp(np.split(examples.cache[examples.latents[k][turn]], 2)[1][:at] / 2)
        assert np.abs(apart[at:]).max() < 0.01 and (np.abs(apart[:at]) < 6 * deviation + 0.01).all()


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
