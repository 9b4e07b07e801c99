"""Rehearsing what a model could draw before it is tuned: it stays nearer to what it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from limner.data.captioned import read_set
from limner.errors import InvalidInput, NotFound
from limner.families import layout
from limner.families.diffusion.recipe import Tuning
from limner.families.diffusion.rehearsal import HELD_OUT, Rehearsal, drawn_again, rehearsal_of, rows_of
from limner.families.diffusion.tunable import Tunable, load_tunable
from limner.families.diffusion.tuning_examples import Encoders
from limner.families.diffusion.tuning_stage import TuningStage
from limner.registry.models import BUILT_IN, Model, open_model
from limner.training.cache import ArrayCache
from limner.training.run import train

SENTENCES = "a red apple\nan apple on a table\na thing\n"
RECIPE = """
[data]
held_out = 0.2
[tuning]
steps = 40
batch_size = 4
warmup = 1
learning_rate = 2e-3
precision = "float32"
ema_decay = 0.0
validate_every = 40
sheet_every = 0
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten square pictures, each of one colour."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for k in range(10):
        Image.new("RGB", (64, 64), tuple(rng.integers(0, 256, 3).tolist())).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"thing {k}\n", encoding="utf-8")
    return folder


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A file of sentences."""
    file = tmp_path / "known.txt"
    file.write_text(SENTENCES, encoding="utf-8")
    return file


def _rehearsing(
    parent: Path, prompts: Path, folder: Path, **more: object
) -> tuple[Tunable, Encoders, Rehearsal]:
    tuning = Tuning.model_validate(
        {"steps": 1, "precision": "float32", "rehearsal": 0.5, "rehearsed": 3, "rehearsal_prompts": prompts}
        | more
    )
    model = load_tunable(open_model(parent), tuning, 0, 64)
    encoders = Encoders(parent, model.tokenizer, ArrayCache(folder), "float32")
    return model, encoders, rehearsal_of(open_model(parent), model, tuning, encoders, 64, 7)


def _tuned(folder: Path, parent: Path, pictures: Path, more: str = "") -> Model:
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE + more, encoding="utf-8")
    return train(folder / "recipe.toml", folder / "out", False, open_model(parent), pictures)


@contextmanager
def _changed(network: nn.Module) -> Iterator[None]:
    """Within it the first weights of a network are others."""
    first = next(iter(network.parameters()))
    before = first.detach().clone()
    with torch.no_grad():
        first.add_(3 * torch.randn(first.shape, generator=torch.Generator().manual_seed(0)))
    yield
    with torch.no_grad():
        first.copy_(before)


@given(st.floats(0, 1, exclude_max=True), st.lists(st.integers(1, 9), min_size=1, max_size=50))
def test_a_share_of_all_rows_rehearses_however_they_are_parted(share: float, sizes: list[int]) -> None:
    ends = np.cumsum([0, *sizes])
    counts = [rows_of(int(end), size, share) for end, size in zip(ends, sizes, strict=False)]
    assert sum(counts) == int(ends[-1] * share)
    assert all(abs(count - size * share) < 1 + 1e-9 for count, size in zip(counts, sizes, strict=True))


def test_what_is_rehearsed_is_what_diffusers_draws(tiny_model: Path, prompts: Path, tmp_path: Path) -> None:
    _, _, known = _rehearsing(tiny_model, prompts, tmp_path / "cache")
    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_model, safety_checker=None, requires_safety_checker=False
    )
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    stepping = open_model(tiny_model).manifest.stepping
    assert stepping.guidance_interval == (0.0, 1.0)
    drawn = pipeline(
        "an apple on a table",
        num_inference_steps=stepping.steps,
        guidance_scale=stepping.guidance_scale,
        generator=torch.Generator().manual_seed(7 + 1),
        output_type="latent",
    ).images[0]
    assert torch.allclose(known.latents[1], drawn, atol=2e-2)


def test_drawings_are_kept(
    tiny_model: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, first = _rehearsing(tiny_model, prompts, tmp_path / "cache")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr("limner.families.diffusion.rehearsal.sampled", refuse)
    _, _, again = _rehearsing(tiny_model, prompts, tmp_path / "cache")
    assert torch.equal(first.latents, again.latents)
    with pytest.raises(AssertionError, match="drawn again"):
        _rehearsing(tiny_model, prompts, tmp_path / "cache", rehearsed=4)


@pytest.mark.parametrize("text_encoder", [False, True])
def test_a_tuned_model_draws_the_sentences_again_and_once(
    text_encoder: bool, tiny_model: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before while it has learned nothing, and in another way where any of its networks has learned something."""
    model, _, known = _rehearsing(tiny_model, prompts, tmp_path / "cache", text_encoder=text_encoder)
    sampler = open_model(tiny_model).manifest.stepping
    latents, seconds = drawn_again(known, model, sampler, "float32", 7, tmp_path / "again")
    assert seconds > 0 and np.allclose(latents, known.latents, atol=2e-2)
    with monkeypatch.context() as patched:
        patched.setattr(
            "limner.families.diffusion.rehearsal.sampled", lambda *_, **__: pytest.fail("drawn once more")
        )
        same, taken = drawn_again(known, model, sampler, "float32", 7, tmp_path / "again")
    assert np.array_equal(same, latents) and taken == seconds
    for network in model.networks.values():
        with _changed(network):
            changed, _ = drawn_again(known, model, sampler, "float32", 7, tmp_path / "again")
        assert np.abs(changed - latents).max() > 0.05


def test_the_noisier_a_drawing_the_more_often_another_sentence_is_said_of_it(
    tiny_model: Path, tmp_path: Path
) -> None:
    prompts, texts = tmp_path / "many.txt", [f"a thing with {number} legs" for number in range(1000)]
    prompts.write_text("\n".join(texts), encoding="utf-8")
    _, encoders, known = _rehearsing(tiny_model, prompts, tmp_path / "cache")
    assert known.learned == 3 and len(known.latents) == len(known.tokens) - 1 == 3 + HELD_OUT
    drawings, noise = torch.arange(600) % known.learned, torch.linspace(0, 1, 600)
    said = known.said(drawings, noise, torch.Generator().manual_seed(3))
    others = (said != known.tokens[drawings]).any(1)
    assert not others[0] and others[:200].sum() < others[200:400].sum() < others[400:].sum() > 150
    assert 250 < others.sum() < 350
    drawn = {tuple(row) for row in known.tokens.tolist()}
    never_drawn = {tuple(row) for row in encoders.tokens(texts).tolist()} - drawn
    read = {tuple(row) for row in said[others].tolist()}
    assert read <= never_drawn | drawn and len(read & never_drawn) > 200


@pytest.mark.parametrize("text_encoder", [False, True])
def test_a_model_that_has_learned_nothing_has_forgotten_nothing(
    text_encoder: bool, tiny_model: Path, pictures: Path, prompts: Path, tmp_path: Path
) -> None:
    model, encoders, known = _rehearsing(tiny_model, prompts, tmp_path / "cache", text_encoder=text_encoder)
    examples = encoders.examples(read_set(pictures).items, 64, 16, False, False, None, not text_encoder)
    tuning = Tuning(steps=1, precision="float32", rehearsal=0.5, text_encoder=text_encoder)
    stage = TuningStage(tuning, model, examples, examples, encoders, 3.0, 0, known)
    with torch.no_grad():
        losses = stage.loss(0, 0, 4, torch.Generator().manual_seed(1))
        changed = []
        for network in model.networks.values():
            with _changed(network):
                changed.append(float(stage.loss(0, 0, 4, torch.Generator().manual_seed(1))["rehearsal"]))
    assert losses["rehearsal"] < 1e-5 < losses["new"]
    assert float(losses["loss"]) == pytest.approx(float(losses["new"] + losses["rehearsal"]) / 2)
    assert len(changed) == 1 + text_encoder and min(changed) > 1e-4


def test_cells_that_show_a_subject_weigh_more(
    tiny_model: Path, pictures: Path, prompts: Path, tmp_path: Path
) -> None:
    """And so do those around it, where its outline is."""
    model, encoders, known = _rehearsing(tiny_model, prompts, tmp_path / "cache")
    assert known.shown.shape == known.latents[:, :1].shape and not known.shown.any(), (
        "no layout tells of subjects"
    )
    examples = encoders.examples(read_set(pictures).items, 64, 16, False, False, None, True)
    shown = torch.zeros_like(known.shown)
    shown[1, 0, 2, 3] = 0.5
    tuning = Tuning(steps=1, precision="float32", rehearsal=0.5, mask_weight=4.0)
    stage = TuningStage(
        tuning, model, examples, examples, encoders, 3.0, 0, rehearsing := replace(known, shown=shown)
    )
    drawings, timesteps = torch.tensor([0, 1]), torch.tensor([100, 900])
    rows = stage._known(rehearsing, drawings, known.tokens[drawings], timesteps, torch.Generator())
    expected = torch.ones_like(rows.cells)
    expected[1, 0, 1:4, 2:5] = 3
    assert torch.equal(rows.cells, expected)


def test_the_layout_of_a_drawing_says_where_its_subjects_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storybook = open_model(BUILT_IN / "storybook")
    known = storybook.manifest.layout
    assert known is not None
    shares = torch.linspace(0, 1, 64).view(8, 8)

    def drawn(
        unet: UNet2DConditionModel, scheduler: object, noise: torch.Tensor, *_: object, **__: object
    ) -> torch.Tensor:
        made = noise.clone()
        made[:, -layout.CHANNELS] = (2 * shares - 1 - known.mean[0]) / known.std[0]
        return made

    monkeypatch.setattr("limner.families.diffusion.rehearsal.sampled", drawn)
    tuning = Tuning(steps=1, precision="float32", rehearsal=0.5, rehearsed=1)
    model = load_tunable(storybook, tuning, 0, 64)
    encoders = Encoders(storybook.path, model.tokenizer, ArrayCache(tmp_path), "float32")
    made = rehearsal_of(storybook, model, tuning, encoders, 8 * model.factor, 7)
    assert torch.allclose(made.shown, shares.expand_as(made.shown), atol=2e-3)


def test_a_model_that_rehearses_stays_nearer_to_what_it_was(
    tiny_model: Path, pictures: Path, prompts: Path, tmp_path: Path
) -> None:
    rehearsing = f'rehearsal = 0.5\nrehearsed = 6\nrehearsal_prompts = "{prompts}"\n'
    made = {
        "without": _tuned(tmp_path / "without", tiny_model, pictures),
        "with": _tuned(tmp_path / "with", tiny_model, pictures, rehearsing),
    }
    _, _, known = _rehearsing(tiny_model, prompts, tmp_path / "cache")
    far = {}
    latents, states = known.latents[:3], known.states(known.tokens[:3])
    noisy = latents + torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    timesteps = torch.tensor([200, 500, 800])
    for name, model in made.items():
        unet = UNet2DConditionModel.from_pretrained(model.path / "unet", torch_dtype=torch.float32)
        with torch.no_grad():
            said = unet(noisy, timesteps, states).sample
        far[name] = float((said - known.expected(noisy, timesteps, states)).square().mean())
    assert far["with"] < 0.5 * far["without"]
    log = (tmp_path / "with" / "out" / "tuning" / "validation.log").read_text("utf-8")
    assert "rehearsal" in log


def test_what_cannot_be_rehearsed_is_said(tiny_model: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"one a line, as tuning\.rehearsal_prompts"):
        _tuned(tmp_path / "a", tiny_model, pictures, "rehearsal = 0.5\n")
    with pytest.raises(NotFound, match="no file of prompts"):
        _tuned(tmp_path / "b", tiny_model, pictures, 'rehearsal = 0.5\nrehearsal_prompts = "none.txt"\n')
    with pytest.raises(InvalidInput, match=r"tuning\.rehearsal"):
        _tuned(tmp_path / "c", tiny_model, pictures, "rehearsal = 1.0\n")
