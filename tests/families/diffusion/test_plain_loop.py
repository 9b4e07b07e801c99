"""What the denoiser's stages show their networks and what they expect of them, against a plain loop."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from limner.data.captioned import read_set
from limner.families.diffusion.denoiser_stage import DenoiserStage, LatentExamples, noise_schedule
from limner.families.diffusion.recipe import Denoiser, Tuning
from limner.families.diffusion.tunable import load_tunable
from limner.families.diffusion.tuning_examples import Encoders, load_autoencoder
from limner.families.diffusion.tuning_stage import TuningStage
from limner.registry.models import open_model
from limner.training.buckets import Batches
from limner.training.cache import ArrayCache
from limner.training.pictures import to_tensor

_PICTURES, _ROWS, _SEED = 6, 8, 11
_EXAMPLES, _BATCH, _FIRST_TOKEN, _STEP_APART = 12, 24, 100, 500.0


@dataclass
class _Seen:
    """What networks were shown, in order, and what the denoiser made of it."""

    noisy: list[Tensor] = field(default_factory=list)
    timesteps: list[Tensor] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)
    tokens: list[Tensor] = field(default_factory=list)

    def watch(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel | None) -> None:
        unet.register_forward_hook(self._denoised)
        if text_encoder is not None:
            text_encoder.register_forward_pre_hook(self._read, with_kwargs=True)

    def _denoised(self, module: object, given: tuple[Tensor, Tensor, Tensor], made: Any) -> None:
        for each, shown in zip((self.noisy, self.timesteps, self.states), given, strict=True):
            each.append(shown.detach())
        self.made.append(made.sample.detach())

    def _read(self, module: object, given: object, named: dict[str, Tensor]) -> None:
        self.tokens.append(named["input_ids"])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six square pictures that are not their own mirror images, two captions each."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for k in range(_PICTURES):
        blocks = rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(blocks).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"thing {k}\nthe {k}th of all\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(("prediction", "text_encoder"), [("v_prediction", False), ("epsilon", True)])
@torch.no_grad()
def test_tuning_loses_what_a_plain_loop_loses(
    prediction: str, text_encoder: bool, tiny_model: Path, pictures: Path, tmp_path: Path
) -> None:
    """With the pictures, their captions and the networks themselves in it, nothing from a cache."""
    tuning = Tuning(steps=1, precision="float32", caption_dropout=0.5, snr_gamma=0, text_encoder=text_encoder)
    model = load_tunable(open_model(tiny_model), tuning, 0, 64)
    model = replace(model, scheduler=model.scheduler | {"prediction_type": prediction})
    encoders = Encoders(tiny_model, model.tokenizer, ArrayCache(tmp_path), "float32")
    items = read_set(pictures).items
    examples = encoders.examples(items, 64, 16, False, True, None, not text_encoder)
    stage, seen = TuningStage(tuning, model, examples, examples, encoders, 3.0, 5), _Seen()
    seen.watch(model.unet, model.text_encoder)
    loss = float(stage.loss(3, 3 * _ROWS, _ROWS, torch.Generator().manual_seed(_SEED))["loss"])

    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_model, safety_checker=None, requires_safety_checker=False
    )
    scheduler = DDPMScheduler.from_config(model.scheduler)
    generator = torch.Generator().manual_seed(_SEED)
    chosen = [items[k] for k in Batches([np.arange(_PICTURES)], 5).at(3, _ROWS)]
    picked, dropped = torch.rand(_ROWS, generator=generator), torch.rand(_ROWS, generator=generator) < 0.5
    texts = [
        "" if empty else item.captions[int(2 * pick)]
        for item, pick, empty in zip(chosen, picked, dropped, strict=True)
    ]
    timesteps = ((torch.arange(_ROWS) + torch.rand(_ROWS, generator=generator)) / _ROWS * 1000).long()
    mirrored = torch.rand(_ROWS, generator=generator) < 0.5
    assert 0 < dropped.sum() < _ROWS and 0 < mirrored.sum() < _ROWS
    read = [np.asarray(Image.open(item.file)) for item in chosen]
    pixels = np.stack([each[:, ::-1] if turn else each for each, turn in zip(read, mirrored, strict=True)])
    posterior = pipeline.vae.encode(to_tensor(pixels)).latent_dist
    latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
    latents = latents * pipeline.vae.config.scaling_factor
    noise = torch.randn(latents.shape, generator=generator)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    expected = noise if prediction == "epsilon" else scheduler.get_velocity(latents, noise, timesteps)
    ids = pipeline.tokenizer(
        texts, padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    ).input_ids
    states = pipeline.text_encoder(ids).last_hidden_state

    assert torch.equal(seen.timesteps[0], timesteps)
    torch.testing.assert_close(seen.noisy[0], noisy, rtol=0, atol=5e-3)
    torch.testing.assert_close(seen.states[0], states, rtol=0, atol=5e-3)
    made = pipeline.unet(noisy, timesteps, states).sample
    assert loss == pytest.approx(float(functional.mse_loss(made, expected)), rel=1e-3)


def _denoiser(tiny_model: Path, **changed: float) -> tuple[DenoiserStage, _Seen]:
    """A stage whose example k has latents of 500 k, and captions that begin with token 100 + k.

    The first four have one subject, and the last two several kinds.
    """
    tokenizer = CLIPTokenizer.from_pretrained(tiny_model / "tokenizer", model_max_length=16)
    number = np.arange(_EXAMPLES)
    tokens = np.full((2 * _EXAMPLES, 16), 7, np.int32)
    tokens[:, 0], tokens[:, 1] = _FIRST_TOKEN + number.repeat(2), np.tile([1, 2], _EXAMPLES)
    clean = np.full((_EXAMPLES, 2, 8, 8), _STEP_APART) * number[:, None, None, None]
    examples = LatentExamples(
        clean.astype(np.float16),
        np.zeros((_EXAMPLES, 8, 8), np.float16),
        np.zeros((_EXAMPLES, 8, 8), np.uint8),
        1,
        tokens,
        np.arange(0, 2 * _EXAMPLES + 1, 2),
        number < 4,
        number >= _EXAMPLES - 2,
    )
    values: dict[str, object] = {
        "steps": 10, "channels": (8, 16), "norm_groups": 8, "heads": 2, "text_layers": 1, "text_width": 16,
        "text_heads": 2, "text_length": 16, "snr_gamma": 0.0, "mask_weight": 0.0, "simple_until": 0.5,
    }  # fmt: skip
    recipe = Denoiser.model_validate(values | changed)
    vae = load_autoencoder(tiny_model)
    stage, seen = DenoiserStage(recipe, examples, examples, tokenizer, vae, seed=3), _Seen()
    seen.watch(stage.unet, stage.text_encoder)
    return stage, seen


def _signal(seen: _Seen, at: int) -> Tensor:
    """The share of the latents that is left in each row, (B, 1, 1, 1)."""
    alpha_bar: Tensor = noise_schedule().alphas_cumprod[seen.timesteps[at]]
    return alpha_bar.view(-1, 1, 1, 1)


def _shown(seen: _Seen, at: int) -> Tensor:
    """Which example each row shows, (B,): noise moves the mean of its latents by far less than a step."""
    return (seen.noisy[at] / _signal(seen, at).sqrt() / _STEP_APART).mean((1, 2, 3)).round().long()


@torch.no_grad()
def test_a_caption_is_that_of_its_picture_or_dropped_as_often_as_the_recipe_says(tiny_model: Path) -> None:
    stage, seen = _denoiser(tiny_model, caption_dropout=0.25)
    for step in range(5, 25):
        stage.loss(step, step * _BATCH, _BATCH, torch.Generator().manual_seed(step))
    shown, tokens = torch.cat([_shown(seen, at) for at in range(20)]), torch.cat(seen.tokens)
    empty = (tokens == stage.empty).all(1)
    assert 0.19 < float(empty.float().mean()) < 0.31
    assert torch.equal(tokens[~empty, 0], _FIRST_TOKEN + shown[~empty])
    assert set(shown.tolist()) == set(range(_EXAMPLES)) and set(tokens[~empty, 1].tolist()) == {1, 2}


@torch.no_grad()
def test_one_subject_comes_first_and_then_as_many_mixed_pictures_as_the_recipe_says(tiny_model: Path) -> None:
    stage, seen = _denoiser(tiny_model, mixed_share=0.5)
    for step in range(8):
        stage.loss(step, step * _BATCH, _BATCH, torch.Generator().manual_seed(step))
        shown = _shown(seen, step)
        if step < 5:
            assert set(shown.tolist()) == set(range(4))
        else:  # twelve of the mixed ones alone, and once all twelve, of which two are mixed
            assert int((shown >= _EXAMPLES - 2).sum()) == 14 and set(shown.tolist()) == set(range(_EXAMPLES))


@torch.no_grad()
def test_the_denoiser_loses_the_squared_error_of_the_velocity(tiny_model: Path) -> None:
    """Where nothing is weighted; that of diffusers' scheduler, of the noise that is left without the latents."""
    stage, seen = _denoiser(tiny_model)
    loss = float(stage.loss(7, 7 * _BATCH, _BATCH, torch.Generator().manual_seed(7))["loss"])
    clean = torch.from_numpy(stage.train.latents).float()[_shown(seen, 0)]
    noise = (seen.noisy[0] - _signal(seen, 0).sqrt() * clean) / (1 - _signal(seen, 0)).sqrt()
    scheduler = DDPMScheduler.from_config(noise_schedule().config)
    expected = scheduler.get_velocity(clean, noise, seen.timesteps[0])
    assert loss == pytest.approx(float(functional.mse_loss(seen.made[0], expected)), rel=1e-3)
    assert sorted((seen.timesteps[0] * _BATCH // 1000).tolist()) == list(range(_BATCH))  # evenly over all
