"""Tuning Stable Diffusion at full size against the usual way: `python -m benchmarks.tuning`, minutes.

The usual way is that of the text-to-image examples of diffusers: at each step the picture is read, cut and encoded, its
caption is encoded, and the denoiser takes a step of AdamW under autocast with its activations checkpointed. Limner has
latents and encodings on disk. Same random weights, pictures, batch and precision, each in a process of its own that
tells its median step and the most memory that it held; the two take turns. `--keep FOLDER` keeps the weights.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from limner.families.diffusion.checkpoint.bring import import_checkpoint
from limner.registry.making import About

from .full_size import measured, random_checkpoint
from .machine import busy, describe
from .run import Row, table

_PICTURES = 4

_USUAL = """
import numpy as np, torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer
model, data, method, size, steps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
half, lora = torch.bfloat16, method == "lora"
tokenizer = CLIPTokenizer.from_pretrained(model + "/tokenizer")
text = CLIPTextModel.from_pretrained(model + "/text_encoder", dtype=half).requires_grad_(False)
vae = AutoencoderKL.from_pretrained(model + "/vae", torch_dtype=half).requires_grad_(False)
unet = UNet2DConditionModel.from_pretrained(model + "/unet", torch_dtype=half if lora else torch.float32)
schedule = DDPMScheduler.from_pretrained(model + "/scheduler")
if lora:
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=16, lora_alpha=16, init_lora_weights="gaussian",
                                target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    cast_training_params(unet, torch.float32)
unet.enable_gradient_checkpointing()
unet.train()
trained = [p for p in unet.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-5)
times = []
for step in range(steps):
    began = time.perf_counter()
    image = Image.open(f"{data}/{step % 4}.png").convert("RGB")
    image = image.resize((size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].to(half) / 127.5 - 1
    ids = tokenizer([f"picture {step % 4}"], padding="max_length", truncation=True, max_length=77,
                    return_tensors="pt").input_ids
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.sample() * vae.config.scaling_factor
        states = text(input_ids=ids).last_hidden_state
    noise = torch.randn_like(latents)
    timesteps = torch.randint(0, 1000, (1,))
    noisy = schedule.add_noise(latents, noise, timesteps)
    with torch.autocast("cpu", half):
        made = unet(noisy, timesteps, states).sample
    torch.nn.functional.mse_loss(made.float(), noise.float()).backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.perf_counter() - began)
tell(step=sorted(times[1:])[(len(times) - 1) // 2])
"""
_LIMNER = """
from pathlib import Path
from limner.registry.models import open_model
from limner.training import loop as loops
from limner.training.run import train
model, data, recipe, out = sys.argv[1:5]
times, take = [], loops.Loop._one_step
def timed(loop):
    began = time.perf_counter()
    found = take(loop)
    times.append(time.perf_counter() - began)
    return found
loops.Loop._one_step = timed
loops.Loop._save = lambda loop: None
train(Path(recipe), Path(out), False, open_model(Path(model)), Path(data))
tell(step=sorted(times[1:])[(len(times) - 1) // 2])
"""
_RECIPE = """
[data]
buckets = false
size = {size}
held_out = 0.2
[tuning]
method = "{method}"
rank = 16
steps = {steps}
batch_size = 1
ema_decay = 0.0
gradient_checkpointing = true
precision = "bfloat16"
validate_every = 0
sheet_every = 0
"""


def bring_in(folder: Path) -> Path:
    """The model directory of random weights of full size within a folder, made where it is not there yet."""
    checkpoint, model = folder / "checkpoint", folder / "data" / "models" / "full" / "1"
    if not checkpoint.exists():
        random_checkpoint(checkpoint)
    if not model.exists():
        import_checkpoint(checkpoint, model, About("full", "1", "Full size", "none", "random weights"))
    return model


def _pictures(folder: Path, size: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for k in range(_PICTURES + 1):
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(f"picture {k}\n", encoding="utf-8")
    return folder


def rows(method: str, model: Path, data: Path, size: int, steps: int, turns: int) -> list[Row]:
    """Seconds a step and memory of both ways, in turns."""
    ours, theirs = [], []
    for _ in range(turns):
        theirs.append(measured(_USUAL, model, data, method, size, steps))
        with tempfile.TemporaryDirectory() as folder:
            recipe = Path(folder) / "recipe.toml"
            recipe.write_text(_RECIPE.format(size=size, method=method, steps=steps), encoding="utf-8")
            ours.append(measured(_LIMNER, model, data, recipe, Path(folder) / "out"))
    step, usual = (statistics.median(each["step"] for each in way) for way in (ours, theirs))
    peak, most = (max(each["peak"] for each in way) for way in (ours, theirs))
    against = "as the usual script"
    return [
        Row(f"{method}: a step of batch 1 at {size} px", "s", step, against, usual, usual / step),
        Row(f"{method}: peak memory", "MB", peak, against, most, most / peak),
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="keep the weights here, or find them")
    parser.add_argument("--methods", nargs="+", default=["lora"], choices=["lora", "full"])
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--steps", type=int, default=4, help="of each turn; the first is not counted")
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    noisy = busy()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        model = bring_in(folder)
        data = _pictures(Path(temporary) / "pictures", options.size)
        found = [
            row
            for method in options.methods
            for row in rows(method, model, data, options.size, options.steps, options.turns)
        ]
    print("\n".join(describe()))
    if noisy:
        print("Other work was using the cores: the figures are wrong")
    print(f"\n{table(found)}")


if __name__ == "__main__":
    main()
