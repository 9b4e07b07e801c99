"""Stable Diffusion at full size: `python -m benchmarks.full_size`, minutes; every figure in a process of its own.

Published weights cannot be had everywhere, and time and memory do not depend on what they are: a diffusers folder with
random half-precision weights of Stable Diffusion 1's configuration stands for them. It is brought in, drawn in bfloat16
and in 8 bits at 512 px, and held against diffusers, eager, in float32, and those of benchmarks/peers.py that are there.
Of the others a few steps are drawn, and the whole picture is reckoned. `--keep FOLDER` keeps it all for another time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from limner.families.diffusion.checkpoint.clip import write_tokenizer
from limner.families.diffusion.checkpoint.configuration import scheduler_config
from limner.families.diffusion.checkpoint.templates import TEMPLATES
from limner.registry.weight_files import Written, write

from . import peers
from .machine import busy, describe
from .run import Row, table

_PARTS = {
    "unet": ("sd1-unet", "diffusion_pytorch_model"),
    "vae": ("vae", "diffusion_pytorch_model"),
    "text_encoder": ("sd1-text-encoder", "model"),
}
_AT_ONCE = 2**22
_REUSE = 2  # steps that use the same deep features
_PEER_STEPS = 4  # of a picture; the whole is reckoned, for all steps take the same time

# Each tells one JSON object: what it measured, and the most memory that it held, in MB.
_TELL = """
import json, sys, time
def tell(**found):
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps(found | {"peak": int(peak.split()[1]) / 1024}))
began = time.perf_counter()
"""
_IMPORT = """
from pathlib import Path
from limner.families.diffusion.checkpoint.bring import import_checkpoint
from limner.registry.making import About
about = About("full", "1", "Full size", "none", "random weights")
import_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]) / "models" / "full" / "1", about)
tell(seconds=time.perf_counter() - began)
"""
_DRAW = """
from pathlib import Path
from queue import SimpleQueue
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry.models import Model, Registry
data, precision, steps, reuse = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
found = Registry(data).find("full")
told = found.manifest.model_copy(update={"precision": precision})
studio = LocalStudio(Registry(data, [Model(found.path, told, False)]))
def draw(steps):
    # When it was asked for, when each step was done, and when the picture was.
    events, times = SimpleQueue(), [time.perf_counter()]
    asked = DrawRequest(
        prompt="a castle by the sea", model="full", seed=1, steps=steps, feature_reuse=reuse
    )
    studio.start(asked, events.put)
    while len(times) < steps + 2:
        event = events.get()
        if getattr(event, "error", None):
            raise event.error
        times.append(time.perf_counter())
    return times
first = draw(reuse)[-1] - began
times = draw(steps)
taken = [b - a for a, b in zip(times[:-2], times[1:-1])]
whole = sorted(taken[::reuse])
shallow = sorted(spent for k, spent in enumerate(taken) if k % reuse) or [0]
tell(first=first, picture=times[-1] - times[0], step=whole[len(whole) // 2],
     shallow=shallow[len(shallow) // 2], decode=times[-1] - times[-2])
studio.close()
"""
_DIFFUSERS = """
import torch
from diffusers import StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.float32)
times = []
def told(pipe, step, timestep, kept):
    times.append(time.perf_counter())
    return kept
pipeline("a castle by the sea", num_inference_steps=1, guidance_scale=7.5)
began, drawn = time.perf_counter(), int(sys.argv[2])
pipeline("a castle by the sea", num_inference_steps=drawn, guidance_scale=7.5, callback_on_step_end=told)
whole = time.perf_counter() - began
steps = sorted(b - a for a, b in zip(times, times[1:]))
step = steps[len(steps) // 2]
tell(step=step, picture=whole + (int(sys.argv[3]) - drawn) * step)
"""


def random_checkpoint(folder: Path) -> None:
    """A diffusers folder of Stable Diffusion 1's configuration, random weights in half precision: 2.1 GB."""
    rng = np.random.default_rng(0)

    def numbers(count: int) -> Iterator[bytes]:
        for first in range(0, count, _AT_ONCE):
            size = min(_AT_ONCE, count - first)
            yield (rng.standard_normal(size, np.float32) * np.float32(0.02)).astype(np.float16).tobytes()

    for part, (template, stem) in _PARTS.items():
        told: dict[str, Any] = json.loads((TEMPLATES / template / "template.json").read_text("utf-8"))
        (folder / part).mkdir(parents=True)
        config = told["config"] | ({"sample_size": 64} if part == "unet" else {})
        (folder / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
        tensors = {
            name: Written("F16", tuple(shape), partial(numbers, prod(shape)))
            for name, shape in told["weights"].items()
        }
        write(folder / part / f"{stem}.safetensors", tensors)
    write_tokenizer(folder / "tokenizer", False)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(scheduler_config("epsilon")), encoding="utf-8"
    )


def measured(script: str, *arguments: object) -> dict[str, float]:
    """What a process with these arguments tells."""
    done = subprocess.run(
        [sys.executable, "-c", _TELL + script, *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    print(done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def make_table(data: Path) -> float:
    """The table of 8-bit ranges, by few short drawings; gives the seconds it took."""
    from limner.engine.backends import backend
    from limner.engine.backends.int8 import table_of
    from limner.optimizing.calibration import sentences, trajectories
    from limner.optimizing.rounding import table_for
    from limner.registry.models import Registry

    began, model = time.perf_counter(), Registry(data).find("full")
    told = model.manifest.stepping.model_copy(update={"steps": 4})
    short = type(model)(model.path, model.manifest.model_copy(update={"sampler": told}), False)
    samples = trajectories(short, backend("openvino"), sentences(model, 2), 2)
    table = table_for(model.graph_file("unet"), samples)
    table_of(model.graph_file("unet")).write_text(table.model_dump_json(indent=1), encoding="utf-8")
    return time.perf_counter() - began


def make_decoder_table(data: Path) -> float:
    """The decoder's table, by small random latents; gives the seconds it took."""
    from limner.engine.backends.int8 import table_of
    from limner.optimizing.decoder import decoder_table
    from limner.registry.models import Registry

    began, graph = time.perf_counter(), Registry(data).find("full").graph_file("vae_decoder")
    rng = np.random.default_rng(0)
    latents = [rng.standard_normal((1, 4, 24, 24), np.float32) / np.float32(0.18215) for _ in range(2)]
    table = decoder_table(graph, [{"latent_sample": latent} for latent in latents])
    table_of(graph).write_text(table.model_dump_json(indent=1), encoding="utf-8")
    return time.perf_counter() - began


def rows(folder: Path, steps: int) -> list[Row]:
    """All figures; what is in the folder from another time is used again, but compiled graphs are not."""
    checkpoint, data = folder / "checkpoint", folder / "data"
    if not checkpoint.exists():
        random_checkpoint(checkpoint)
    found: list[Row] = []
    if not (data / "models").exists():
        brought = measured(_IMPORT, checkpoint, data)
        found += [Row("import", "s", brought["seconds"]), Row("import, peak memory", "MB", brought["peak"])]
    if not (data / "models" / "full" / "1" / "unet" / "int8.json").exists():
        found.append(Row("8-bit ranges by 4 calls of the denoiser, once", "s", make_table(data)))
    if not (data / "models" / "full" / "1" / "vae" / "decoder.int8.json").exists():
        found.append(Row("8-bit ranges by 2 calls of the decoder, once", "s", make_decoder_table(data)))
    model, drawn = data / "models" / "full" / "1", max(3, steps // 4)
    other = measured(_DIFFUSERS, model, drawn, steps)
    found.append(Row("diffusers float32 eager, peak memory", "MB", other["peak"]))
    pictures = {"diffusers fp32 eager": other["picture"]}
    for name, title in peers.TITLES.items():
        told = peers.measured(name, model, folder, steps, min(steps, _PEER_STEPS))
        if "picture" not in told:
            print(f"{title}: not measured: {told['reason']}", flush=True)
            continue
        way = f" ({told['way']})" if told["way"] else ""
        pictures[f"{title}{way}"] = told["picture"]
        found.append(Row(f"{title}{way}, peak memory", "MB", told["peak"]))
    for precision in ("bfloat16", "int8"):
        shutil.rmtree(data / "cache", ignore_errors=True)
        first = measured(_DRAW, data, precision, 1, 1)
        warm = measured(_DRAW, data, precision, steps, 1)
        reused = measured(_DRAW, data, precision, steps, _REUSE)
        times = other["step"] / warm["step"]
        found += [
            Row(f"{precision}: process to picture of 1 step, compiling", "s", first["first"]),
            Row(f"{precision}: process to picture of 1 step, compiled before", "s", warm["first"]),
            Row(f"{precision}: peak memory, compiling", "MB", first["peak"]),
            Row(
                f"{precision}: a guided step at 512 px",
                "s",
                warm["step"],
                "diffusers fp32 eager",
                other["step"],
                times,
            ),
            Row(f"{precision}: decoding", "s", warm["decode"]),
            *(
                Row(
                    f"{precision}: a picture of {steps} guided steps",
                    "s",
                    warm["picture"],
                    title,
                    whole,
                    ratio,
                )
                for title, whole in pictures.items()
                if (ratio := whole / warm["picture"])
            ),
            Row(f"{precision}: peak memory, compiled before", "MB", warm["peak"]),
            Row(
                f"{precision}: a shallow step, with the features of an earlier one",
                "s",
                reused["shallow"],
                "a whole step beside it",
                reused["step"],
                reused["step"] / reused["shallow"],
            ),
            Row(f"{precision}: a picture, every {_REUSE}nd step whole", "s", reused["picture"]),
            Row(f"{precision}: peak memory, every {_REUSE}nd step whole", "MB", reused["peak"]),
        ]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="a folder for checkpoint, model and table")
    asked = parser.parse_args()
    print("\n".join(describe()), flush=True)
    if busy():
        print("Other work is using the cores: the figures will be wrong", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        print(f"\n{table(rows(asked.keep or Path(temporary), asked.steps))}")


if __name__ == "__main__":
    main()
