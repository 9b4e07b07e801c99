"""Samples a second in tuning, on a GPU: Limner's loop and the usual script's, each in a process of its own.

The usual way is the loop of diffusers' text-to-image example: workers read, cut and scale pictures; latents and
encodings of a batch are computed in bfloat16; the denoiser takes a step of AdamW under bfloat16's autocast. Limner has
latents and encodings on disk. `python -m benchmarks.gpu_learning SPEC` is one of them; SPEC is JSON, as `Asked` has it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from limner.registry.models import open_model

from .gpu_device import Device, Figure, Tell, tell

_PICTURES = 64
_WARM = 3  # steps that do not count
_RECIPE = """
[data]
buckets = false
size = {size}
held_out = 0.1
[tuning]
method = "full"
steps = {steps}
batch_size = {batch}
ema_decay = 0.0
precision = "bfloat16"
compile = {compile}
validate_every = 0
sheet_every = 0
"""


@dataclass(frozen=True)
class Asked:
    """What one process measures: steps of `batch` pictures of `size` px, by "usual" or "limner"."""

    model: str
    title: str
    way: str
    device: str
    size: int
    batch: int
    steps: int
    workers: int = 4


class _Pictures(Dataset[Any]):
    """Pictures and their tokens, as the example's transforms make them."""

    def __init__(self, folder: Path, model: Path, size: int) -> None:
        from transformers import CLIPTokenizer

        self._files, self._size = sorted(folder.glob("*.png")), size
        self._tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, torch.Tensor]:
        file = self._files[at]
        image = Image.open(file).convert("RGB").resize((self._size, self._size), Image.Resampling.BILINEAR)
        ids = self._tokenizer(
            file.with_suffix(".txt").read_text("utf-8"),
            padding="max_length",
            truncation=True,
            max_length=self._tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids
        return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1, ids[0]


def write_pictures(folder: Path, size: int) -> Path:
    """A captioned set of random pictures."""
    rng = np.random.default_rng(0)
    for k in range(_PICTURES):
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"picture {k}\n", encoding="utf-8")
    return folder


def usual(asked: Asked, data: Path, device: Device) -> list[float]:
    """Seconds of each step of the usual script's loop, which compiles nothing, as that does not."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

    model, half, on = Path(asked.model), torch.bfloat16, device.torch
    text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=half).to(on).requires_grad_(False)
    vae = AutoencoderKL.from_pretrained(model / "vae", dtype=half).to(on).requires_grad_(False)
    unet = UNet2DConditionModel.from_pretrained(model / "unet", dtype=torch.float32).to(on).train()
    schedule = DDPMScheduler.from_pretrained(model / "scheduler")
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
    loader = DataLoader(
        _Pictures(data, model, asked.size), asked.batch, shuffle=True, drop_last=True,
        num_workers=asked.workers, persistent_workers=asked.workers > 0,
    )  # fmt: skip
    times: list[float] = []
    while len(times) < asked.steps:
        began = time.perf_counter()
        for pixels, ids in loader:
            with torch.no_grad():
                latents = vae.encode(pixels.to(on, half)).latent_dist.sample() * vae.config.scaling_factor
                states = text(input_ids=ids.to(on)).last_hidden_state
            noise = torch.randn_like(latents)
            steps = torch.randint(0, 1000, (len(latents),), device=on)
            noisy = schedule.add_noise(latents, noise, steps)
            with torch.autocast(device.name, half):
                made = unet(noisy, steps, states).sample
            loss = torch.nn.functional.mse_loss(made.float(), noise.float())
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            float(loss.detach())
            device.wait()
            times.append(time.perf_counter() - began)
            began = time.perf_counter()
    return times[: asked.steps]


def ours(asked: Asked, data: Path, device: Device) -> list[float]:
    """Seconds of each step of Limner's loop, compiled on a GPU as the recipes for one have it."""
    from limner.training import loop
    from limner.training.run import train

    times: list[float] = []
    take = loop.Loop._one_step

    def timed(self: loop.Loop) -> list[loop.Made]:
        began = time.perf_counter()
        found = take(self)
        device.wait()
        times.append(time.perf_counter() - began)
        return found

    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "recipe.toml"
        compiled = "true" if device.name == "cuda" else "false"
        recipe.write_text(
            _RECIPE.format(size=asked.size, batch=asked.batch, steps=asked.steps, compile=compiled),
            encoding="utf-8",
        )
        # What comes after the last step, the export, is not measured.
        with (
            patch.object(loop.Loop, "_one_step", timed),
            patch.object(loop.Loop, "_save", lambda self: None),
        ):
            train(recipe, Path(folder) / "out", False, open_model(Path(asked.model)), data)
    return times


def main(spec: dict[str, Any], tell: Tell) -> None:
    """Tell samples a second of what `Asked` says, and the memory taken."""
    asked = Asked(**spec)
    device = Device(asked.device)
    with tempfile.TemporaryDirectory() as folder:
        data = write_pictures(Path(folder), asked.size)
        times = (usual if asked.way == "usual" else ours)(asked, data, device)
    rate = asked.batch / median(times[min(_WARM, len(times) - 1) :])
    for what, unit, value in (("tuning", "samples/s", rate), ("tuning, memory taken", "MB", device.memory())):
        tell(Figure("training", asked.title, asked.way, what, unit, value, asked.batch, asked.steps))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), tell)
