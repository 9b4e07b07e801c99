"""The built-in model: small enough to ship, told truly, and the same picture in diffusers as in the engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry import Registry
from limner.registry.choices import Choices
from limner.registry.models import BUILT_IN, open_model

STORYBOOK = BUILT_IN / "storybook"
MOST_BYTES = 32_000_000


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


@pytest.fixture(scope="module")
def in_float32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("float32") / "storybook"
    shutil.copytree(STORYBOOK, folder)
    manifest = json.loads((folder / "limner.json").read_text("utf-8"))
    (folder / "limner.json").write_text(json.dumps({**manifest, "precision": "float32"}), encoding="utf-8")
    return folder


def test_the_weights_are_small_and_safe() -> None:
    files = [file for file in STORYBOOK.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files if file.suffix == ".safetensors") <= MOST_BYTES
    assert not [file for file in files if file.suffix in {".bin", ".pt", ".ckpt", ".pkl"}]


def test_the_card_belongs_to_this_version() -> None:
    manifest = open_model(STORYBOOK).manifest
    card = json.loads((STORYBOOK / "card.json").read_text("utf-8"))
    assert (card["model"], card["version"]) == (manifest.name, manifest.version)
    assert Choices.model_validate(card["choices"]) == Choices.read(STORYBOOK)
    assert "limner optimize chose" in (STORYBOOK / "card.html").read_text("utf-8")
    assert manifest.lineage.hours > 0 and manifest.licence == "Apache-2.0"


def test_diffusers_draws_the_same_picture(in_float32: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from diffusers import StableDiffusionPipeline

    prompt, steps, guidance = "a red apple on a wooden table", 8, 4.0
    pipeline = StableDiffusionPipeline.from_pretrained(in_float32)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).images[0]
    studio = LocalStudio(Registry(tmp_path))
    ours = studio.draw(
        DrawRequest(
            prompt=prompt,
            model=str(in_float32),
            seed=7,
            steps=steps,
            guidance_scale=guidance,
            guidance_interval=(0.0, 1.0),
            feature_reuse=1,
            sampler="dpm++2m",
        )
    )
    studio.close()
    assert _psnr(np.round(theirs * 255), ours.pixels) >= 40


def test_a_picture_is_the_same_alone_and_in_company(tmp_path: Path) -> None:
    studio = LocalStudio(Registry(tmp_path))
    asked = DrawRequest(prompt="a blue robot in the desert", seed=5, steps=6)
    alone = studio.draw(asked).pixels
    others = [
        studio.start(
            DrawRequest(prompt=f"a red car {'at night' * (k % 2)}", seed=k, steps=4 + k), lambda event: None
        )
        for k in range(5)
    ]
    together = studio.draw(asked).pixels
    for other in others:
        other.cancel()
    studio.close()
    assert np.array_equal(alone, together)
