"""A checkpoint made for inpainting, of nine channels: brought in, drawn with, optimized."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from safetensors.torch import load_file, save_file

from limner.engine.backends.int8 import table_of
from limner.engine.source import Source
from limner.families.diffusion.checkpoint.bring import import_checkpoint
from limner.optimizing import choosing
from limner.registry import Model

from .test_bring import ABOUT, as_float32, drawn, psnr
from .tiny_sd import make_folder


@pytest.fixture
def inpainting(tiny_templates: Path, tmp_path: Path) -> Model:
    """One of nine channels: latents, a mask, what is kept."""
    shutil.move(make_folder(tmp_path), tmp_path / "p")
    config, weights = (
        tmp_path / "p" / "unet" / name for name in ("config.json", "diffusion_pytorch_model.safetensors")
    )
    told = json.loads(config.read_text("utf-8")) | {"in_channels": 9}
    config.write_text(json.dumps(told), encoding="utf-8")
    tensors = load_file(weights)
    torch.manual_seed(0)
    further = 0.1 * torch.randn(len(tensors["conv_in.weight"]), 5, 3, 3)
    save_file(tensors | {"conv_in.weight": torch.cat([tensors["conv_in.weight"], further], 1)}, weights)
    return import_checkpoint(tmp_path / "p", tmp_path / "m", ABOUT, template_folder=tiny_templates)


def half(model: Model) -> dict[str, Any]:
    """A picture whose upper half is to be drawn anew."""
    side = model.manifest.sizes[0].width
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    mask = np.zeros((side, side), np.uint8)
    mask[: side // 2] = 255
    return {"source": Source(pixels, mask), "image": "p", "mask": "m"}


def test_a_checkpoint_made_for_inpainting(inpainting: Model) -> None:
    """A part is drawn anew, the rest is kept, and words alone do as well."""
    told = json.loads((inpainting.path / "model_index.json").read_text("utf-8"))
    assert told["_class_name"] == "StableDiffusionInpaintPipeline"
    StableDiffusionInpaintPipeline.from_pretrained(inpainting.path)
    given = half(inpainting)
    made, pixels = drawn(inpainting, **given), given["source"].pixels
    third = len(made) // 3
    assert np.array_equal(made[-third:], pixels[-third:])
    assert not np.array_equal(made[:third], drawn(inpainting)[:third])


def test_one_made_for_inpainting_is_optimized(
    inpainting: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    monkeypatch.setattr(choosing, "REUSES", ())
    before = drawn(as_float32(inpainting), **half(inpainting))
    model, choices = choosing.optimize(inpainting, tmp_path / "data", 1)
    (rounded,) = [row for row in choices.rows if row.precision == "int8" and row.feature_reuse == 1]
    assert (rounded.psnr or 0) > choosing.NEAR
    assert table_of(model.graph_file("unet")).is_file()
    told = model.manifest.model_copy(update={"precision": "int8"})
    after = drawn(replace(model, manifest=told), **half(model))
    assert not np.array_equal(after, before) and psnr(after, before) > 20
