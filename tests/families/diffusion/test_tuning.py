"""Tuning a tiny model, in full and by LoRA: what comes out is read by diffusers, and what went in stays."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.errors import Cancelled, InvalidInput
from limner.families.diffusion.checkpoint.lora import learned_by
from limner.families.diffusion.derived import LORA_NAME
from limner.families.diffusion.recipe import Tuning
from limner.families.diffusion.tunable import load_tunable
from limner.registry import Registry
from limner.registry.models import Model, open_model
from limner.training.loop import Loop, Made
from limner.training.run import train
from tests.training.interrupting import press_ctrl_c

RECIPE = """
[data]
held_out = 0.2
flip = true
[tuning]
steps = 4
batch_size = 2
warmup = 1
learning_rate = 1e-2
precision = "float32"
sheet_every = 2
"""
LORA = RECIPE + 'method = "lora"\nrank = 4\nalpha = 8\ntext_encoder = true\n'
ADAFACTOR = RECIPE + 'optimizer = "adafactor"\nema_decay = 0.0\n'


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of three shapes, two captions each."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for k in range(12):
        shape = [(80, 80, 3), (64, 128, 3), (128, 64, 3)][k % 3]
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"thing {k}\na thing called {k}\n", encoding="utf-8")
    return folder


def _train(folder: Path, recipe: str, parent: Path, pictures: Path | None, resume: bool = False) -> Model:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    return train(folder / "recipe.toml", folder / "out", resume, open_model(parent), pictures)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("full")
    _train(folder, RECIPE, tiny_model, pictures)
    return folder


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    _train(folder, LORA, tiny_model, pictures)
    return folder


@pytest.fixture(scope="module")
def lora_on_all(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("lora_on_all")
    _train(folder, LORA + 'layers = "all"\n', tiny_model, pictures)
    return folder


@pytest.fixture(scope="module")
def lora_as_wide_as_its_layers(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, pictures: Path
) -> Path:
    folder = tmp_path_factory.mktemp("lora_as_wide_as_its_layers")
    _train(folder, LORA.replace("rank = 4", "rank = 32") + 'layers = "all"\n', tiny_model, pictures)
    return folder


@pytest.fixture(scope="module")
def adafactor(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("adafactor")
    _train(folder, ADAFACTOR, tiny_model, pictures)
    return folder


def _drawn(pipeline: Any, seed: int = 1) -> np.ndarray[Any, Any]:
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(seed)
    found: np.ndarray[Any, Any] = pipeline(
        "a thing", num_inference_steps=3, guidance_scale=3.0, generator=generator, output_type="np"
    ).images[0]
    return found


def _pipeline(directory: Path) -> Any:
    return StableDiffusionPipeline.from_pretrained(
        directory, safety_checker=None, requires_safety_checker=False
    )


def test_only_the_denoiser_is_tuned_and_the_model_is_drawn_by_both(
    full: Path, tiny_model: Path, tmp_path: Path
) -> None:
    made = full / "out" / "model"
    for part, name, same in (
        ("unet", "diffusion_pytorch_model", False),
        ("vae", "diffusion_pytorch_model", True),
        ("text_encoder", "model", True),
    ):
        file = Path(part) / f"{name}.safetensors"
        before, after = load_file(tiny_model / file), load_file(made / file)
        assert all(torch.equal(before[key], after[key]) for key in before) == same, part
    studio = LocalStudio(Registry(tmp_path))
    request = DrawRequest(
        prompt="a thing", model=str(made), seed=1, steps=3, sampler="ddim", guidance_scale=3.0
    )
    ours = studio.draw(request).pixels
    studio.close()
    assert np.mean((ours / 255 - _drawn(_pipeline(made))) ** 2) < 1e-4  # 40 dB


def test_the_manifest_says_what_it_was_and_what_it_learned(full: Path) -> None:
    manifest = open_model(full / "out" / "model").manifest
    assert (manifest.name, manifest.lineage.parent) == ("tiny-tuned", "tiny@1")
    assert manifest.vocabulary and {"apple", "thing", "called"} <= set(manifest.vocabulary)
    assert manifest.lineage.examples == 8 and "in full" in manifest.description


def test_all_shapes_are_learned_from_and_mirrored(full: Path) -> None:
    cached = [np.load(file) for file in (full / "out" / "cache").rglob("*.npy")]
    shapes = {array.shape for array in cached if array.ndim == 3}
    assert {(8, 8, 8), (8, 6, 10), (8, 10, 6)} >= shapes and len(shapes) == 3
    assert len([array for array in cached if array.ndim == 3]) == 24


@pytest.mark.parametrize("name", ["lora", "lora_on_all", "lora_as_wide_as_its_layers"])
def test_a_lora_is_what_diffusers_loads(name: str, request: pytest.FixtureRequest, tiny_model: Path) -> None:
    lora: Path = request.getfixturevalue(name)
    pipeline = _pipeline(tiny_model)
    plain = _drawn(pipeline)
    pipeline.load_lora_weights(lora / "out" / "lora")
    laid_on, merged = _drawn(pipeline), _drawn(_pipeline(lora / "out" / "model"))
    learned = open_model(lora / "out" / "model").manifest.lineage.learned()
    noted = learned_by(lora / "out" / "lora" / LORA_NAME)
    assert [each.data_hash for each in noted] == [each.data_hash for each in learned] != []
    assert np.abs(laid_on - plain).max() > 0.01
    assert np.abs(laid_on - merged).max() < 0.01  # half precision rounds the merged ones
    pipeline.disable_lora()
    assert (_drawn(pipeline) == plain).all()


def test_a_lora_on_all_layers_lies_beside_every_matrix_and_kernel(tiny_model: Path) -> None:
    tuning = Tuning(steps=1, method="lora", rank=2, layers="all", text_encoder=True)
    for network in load_tunable(open_model(tiny_model), tuning, 0, 64).networks.values():
        laid_on = {
            name.removesuffix(".base_layer") for name, _ in network.named_modules() if "base_layer" in name
        }
        inner = {name for name, _ in network.named_modules() if ".lora_" in name}
        layers = {
            name.removesuffix(".base_layer")
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and name not in inner
        }
        assert layers and laid_on == layers


def test_a_second_call_repeats_nothing(full: Path, tiny_model: Path, pictures: Path) -> None:
    files = sorted((full / "out" / "cache").rglob("*.npy"))
    before = [file.stat().st_mtime_ns for file in files]
    weights = full / "out" / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    bytes_before = weights.read_bytes()
    _train(full, RECIPE, tiny_model, pictures, resume=True)
    assert [file.stat().st_mtime_ns for file in sorted((full / "out" / "cache").rglob("*.npy"))] == before
    assert weights.read_bytes() == bytes_before


@pytest.mark.parametrize("name", ["full", "lora_as_wide_as_its_layers"])
def test_at_half_its_strength_it_is_half_of_the_way_from_what_it_was_and_nothing_is_learned_again(
    name: str, request: pytest.FixtureRequest, tiny_model: Path, pictures: Path, tmp_path: Path
) -> None:
    done: Path = request.getfixturevalue(name)
    run = shutil.copytree(done, tmp_path / "run")
    recipe = (run / "recipe.toml").read_text("utf-8")
    about = "[model]\nstrength = 0.5\n"
    recipe = recipe.replace("[model]\n", about) if "[model]" in recipe else recipe + about
    checkpoints = {file: file.stat().st_mtime_ns for file in (run / "out" / "tuning").rglob("*.pt")}
    _train(run, recipe, tiny_model, pictures, resume=True)
    assert checkpoints == {file: file.stat().st_mtime_ns for file in (run / "out" / "tuning").rglob("*.pt")}
    file = "unet/diffusion_pytorch_model.safetensors"
    before, whole, half = (
        load_file(each / file) for each in (tiny_model, done / "out" / "model", run / "out" / "model")
    )
    moved = 0
    for key, was in before.items():
        way = whole[key].float() - was.float()
        moved += int(way.abs().max() > 1e-3)
        torch.testing.assert_close(half[key].float(), was.float() + 0.5 * way, atol=2e-3, rtol=1e-2)
    assert moved > 5


@pytest.mark.parametrize(("recipe", "whole"), [(RECIPE, "full"), (LORA, "lora"), (ADAFACTOR, "adafactor")])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    recipe: str,
    whole: str,
    request: pytest.FixtureRequest,
    tiny_model: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = open_model(request.getfixturevalue(whole) / "out" / "model")
    take = Loop._one_step

    def stopping(loop: Loop) -> list[Made]:
        if loop.step == 2:
            press_ctrl_c()
        return take(loop)

    with monkeypatch.context() as patch, pytest.raises(Cancelled):
        patch.setattr(Loop, "_one_step", stopping)
        _train(tmp_path / "cut", recipe, tiny_model, pictures)
    cut = _train(tmp_path / "cut", recipe, tiny_model, pictures, resume=True)
    file = Path("unet") / "diffusion_pytorch_model.safetensors"
    assert (model.path / file).read_bytes() == (cut.path / file).read_bytes()
    size = (tmp_path / "cut" / "out" / "tuning" / "checkpoints" / "000000004" / "state.pt").stat().st_size
    assert ("lora" not in recipe) or size < (model.path / file).stat().st_size


def test_frozen_encodings_are_those_of_the_text_encoder(full: Path, tiny_model: Path) -> None:
    """But for their rounding to half precision."""
    from limner.families.diffusion.tuning_examples import Encoders
    from limner.training.cache import ArrayCache

    pipeline = _pipeline(tiny_model)
    cache = ArrayCache(full / "out" / "cache")
    encoders = Encoders(tiny_model, pipeline.tokenizer, cache, "float32")
    (key,) = encoders.texts(["a thing called 3"])
    ids = pipeline.tokenizer(
        ["a thing called 3"], padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        expected = pipeline.text_encoder(ids).last_hidden_state[0]
    assert torch.allclose(torch.from_numpy(cache[key]).float(), expected, atol=2e-3)


def test_the_published_denoiser_has_the_published_number_of_weights(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published(*args: object, **options: object) -> UNet2DConditionModel:
        with torch.device("meta"):
            return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)

    monkeypatch.setattr(UNet2DConditionModel, "from_pretrained", published)
    model = load_tunable(open_model(tiny_model), Tuning(steps=1, gradient_checkpointing=True), 0, 512)
    assert f"{model.trained()['unet']:,}" == "859,520,964"


def test_a_run_does_not_write_over_what_it_begins_with(full: Path, pictures: Path) -> None:
    made = full / "out" / "model"
    with pytest.raises(InvalidInput, match=r"lies in .*, where this run writes its own"):
        _train(full, RECIPE, made, pictures)
    assert open_model(made).manifest.name == "tiny-tuned"


def test_a_rate_may_be_lowered_to_go_on(full: Path, tiny_model: Path, pictures: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(full, tmp_path / "full")
    longer = RECIPE.replace("learning_rate = 1e-2", "learning_rate = 1e-3")
    assert _train(folder, longer, tiny_model, pictures, resume=True).manifest.lineage.examples == 8


def test_what_cannot_be_tuned_is_said(tiny_model: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    with pytest.raises(InvalidInput, match="--init MODEL"):
        train(tmp_path / "recipe.toml", tmp_path / "a", False, None, pictures)
    with pytest.raises(InvalidInput, match="--data DIR"):
        _train(tmp_path / "b", RECIPE, tiny_model, None)
    with pytest.raises(InvalidInput, match=r"data\.size must be a multiple of 16 .* not 72"):
        _train(tmp_path / "c", RECIPE.replace("[data]", "[data]\nsize = 72"), tiny_model, pictures)
    few = shutil.copytree(tiny_model, tmp_path / "few")
    told = open_model(few).manifest
    told.model_copy(update={"sampler": told.stepping.model_copy(update={"guidance_scale": 1.0})}).write(few)
    with pytest.raises(InvalidInput, match="4 steps without guidance, which tuning would undo"):
        _train(tmp_path / "e", RECIPE, few, pictures)
    twelve = told.stepping.model_copy(update={"guidance_scale": 1.0, "steps": 12})
    student = told.lineage.model_copy(update={"recipe": '{"student_steps":12}'})
    told.model_copy(update={"sampler": twelve, "lineage": student}).write(few)
    with pytest.raises(InvalidInput, match="12 steps without guidance, which tuning would undo"):
        _train(tmp_path / "e", RECIPE, few, pictures)
    inpainting = shutil.copytree(tiny_model, tmp_path / "nine")
    config = inpainting / "vae" / "config.json"
    config.write_text(
        config.read_text("utf-8").replace('"latent_channels": 4', '"latent_channels": 3'), encoding="utf-8"
    )
    with pytest.raises(InvalidInput, match="reads a mask"):
        _train(tmp_path / "d", RECIPE, inpainting, pictures)
