"""Others that draw Stable Diffusion on a CPU, on the same weights: OpenVINO GenAI and stable-diffusion.cpp.

Neither is needed for anything else, so that they are installed by hand; the second compiles for the machine (minutes):

    pip install --no-deps openvino-genai==2026.4.1.0 openvino-tokenizers==2026.4.1.0 stable-diffusion-cpp-python==0.4.7

What is not installed is left out. Each is set up as its documentation says: GenAI with static shapes, in bfloat16;
stable-diffusion.cpp with a thread a core, in the fastest of a few ways that its performance guide names. Steps take
the same time each, so that few are drawn and the whole picture is reckoned: `python -m benchmarks.peers NAME ...` is
one measurement, in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from .original import write_original

PROMPT = "a castle by the sea"
SIDE, SCALE = 512, 7.5
_MODULES = {"genai": ("openvino_genai", "openvino_tokenizers"), "sdcpp": ("stable_diffusion_cpp",)}
TITLES = {"genai": "OpenVINO GenAI, bfloat16", "sdcpp": "stable-diffusion.cpp"}
_WAYS: dict[str, dict[str, Any]] = {
    "f16": {},
    "f16, flash attention": {"diffusion_flash_attn": True},
    "f16, flash attention, direct convolutions": {
        "diffusion_flash_attn": True,
        "diffusion_conv_direct": True,
        "vae_conv_direct": True,
    },
    "q8_0, flash attention": {"diffusion_flash_attn": True, "wtype": "q8_0"},
}
"""Of stable-diffusion.cpp, those that its guide to performance names."""

Found = dict[str, Any]


def missing(name: str) -> str | None:
    """What has to be installed for a peer, None where nothing has."""
    lacking = [module for module in _MODULES[name] if importlib.util.find_spec(module) is None]
    return f"not installed: {', '.join(lacking)} (see benchmarks/peers.py)" if lacking else None


def measured(name: str, model: Path, folder: Path, steps: int, drawn: int) -> Found:
    """What a peer takes: seconds of a `step`, of a `picture` of `steps` guided steps, reckoned from `drawn` of them,
    and the `way` that was fastest; or the `reason` why nothing was measured.

    `model` is a model directory of Limner's; what the peer needs of its own goes into `folder`.
    """
    reason = missing(name)
    if reason is None:
        way = _fastest(name, model, folder) if name == "sdcpp" else ""
        found = _process(name, model, folder, drawn, way)
        if "step" in found:
            found["picture"] += (steps - drawn) * found["step"]
        return found | {"way": way}
    return {"reason": reason}


def _fastest(name: str, model: Path, folder: Path) -> str:
    """The way that draws two steps in the least time; one that takes far longer than the best so far is given up."""
    best, steps, limit = next(iter(_WAYS)), float("inf"), None
    for way in _WAYS:
        began = time.perf_counter()
        found = _process(name, model, folder, 2, way, limit)
        if found.get("step", steps) < steps:
            best, steps, limit = way, float(found["step"]), 1.5 * (time.perf_counter() - began)
    return best


def _process(name: str, model: Path, folder: Path, drawn: int, way: str, limit: float | None = None) -> Found:
    """What a process of its own measures, or the `reason` why not; it is ended after `limit` seconds."""
    command = [sys.executable, "-m", "benchmarks.peers", name, str(model), str(folder), str(drawn), way]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        print(f"{name} {way}: given up after {limit:.0f} s", file=sys.stderr, flush=True)
        return {"reason": f"it took over {limit:.0f} s"}
    if done.returncode:
        return {
            "reason": (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1][:200]
        }
    print(name, way, done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def export_genai(model: Path, out: Path) -> None:
    """A model directory in the layout that GenAI reads: OpenVINO's own files, half precision, and a tokenizer."""
    import openvino
    from openvino import opset13 as ops
    from openvino_tokenizers import convert_tokenizer  # type: ignore[import-not-found]
    from transformers import CLIPTokenizer

    core = openvino.Core()
    for part, file in (("text_encoder", "model"), ("unet", "model"), ("vae_decoder", "decoder")):
        network = core.read_model(model / part.removesuffix("_decoder") / f"{file}.onnx")
        if part == "unet":
            # GenAI gives one whole number for all rows.
            old = network.input("timestep")
            step = ops.parameter(openvino.PartialShape([1]), openvino.Type.i64)
            step.output(0).set_names({"timestep"})
            rows = ops.gather(ops.shape_of(network.input("sample").node), [0], 0)
            whole = ops.broadcast(ops.convert(step, "f32"), rows)
            for reader in old.get_target_inputs():
                reader.replace_source_output(whole.output(0))
            kept = [each for each in network.get_parameters() if each != old.node]
            network = openvino.Model(network.get_results(), [*kept, step])
        (out / part).mkdir(parents=True)
        openvino.save_model(network, out / part / "openvino_model.xml", compress_to_fp16=True)
        shutil.copy(model / part.removesuffix("_decoder") / "config.json", out / part / "config.json")
    (out / "tokenizer").mkdir()
    tokenizer = convert_tokenizer(CLIPTokenizer.from_pretrained(model / "tokenizer"))
    openvino.save_model(tokenizer, out / "tokenizer" / "openvino_tokenizer.xml")
    shutil.copytree(model / "scheduler", out / "scheduler")
    shutil.copy(model / "model_index.json", out / "model_index.json")


def genai(model: Path, folder: Path, drawn: int, way: str) -> Found:
    """Draw a picture of `drawn` steps with OpenVINO GenAI, after a short one."""
    import openvino_genai  # type: ignore[import-not-found]

    place = folder / "genai"
    if not (place / "model_index.json").is_file():
        shutil.rmtree(place, ignore_errors=True)
        # In a process of its own, whose memory does not count as the pipeline's.
        export = get_context("spawn").Process(target=export_genai, args=(model, place))
        export.start()
        export.join()
    pipeline = openvino_genai.Text2ImagePipeline(place)
    kinds = openvino_genai.Scheduler
    pipeline.set_scheduler(kinds.from_config(place / "scheduler" / "scheduler_config.json", kinds.Type.DDIM))
    pipeline.reshape(1, SIDE, SIDE, SCALE)
    pipeline.compile("CPU", INFERENCE_PRECISION_HINT="bf16", PERFORMANCE_HINT="LATENCY")

    def draw(steps: int, told: Callable[[], None]) -> None:
        def on_step(*_: object) -> bool:
            told()
            return False

        pipeline.generate(PROMPT, num_inference_steps=steps, guidance_scale=SCALE, callback=on_step)

    return _timed(draw, drawn)


def sdcpp(model: Path, folder: Path, drawn: int, way: str) -> Found:
    """Draw a picture of `drawn` steps with stable-diffusion.cpp, after a short one."""
    import stable_diffusion_cpp  # type: ignore[import-not-found]

    file = folder / "original.safetensors"
    if not file.is_file():
        write_original(model, file)
    pipeline = stable_diffusion_cpp.StableDiffusion(
        model_path=str(file),
        n_threads=os.cpu_count() or 1,
        vae_decode_only=True,
        verbose=False,
        **_WAYS[way],
    )

    def draw(steps: int, told: Callable[[], None]) -> None:
        pipeline.generate_image(
            prompt=PROMPT,
            width=SIDE,
            height=SIDE,
            cfg_scale=SCALE,
            sample_method="ddim_trailing",
            sample_steps=steps,
            progress_callback=lambda step, steps, seconds: told(),
        )

    return _timed(draw, drawn)


def _timed(draw: Callable[[int, Callable[[], None]], None], drawn: int) -> Found:
    """Seconds of a step (median) and of the whole picture, its networks warm."""
    draw(1, lambda: None)
    times = [time.perf_counter()]
    draw(drawn, lambda: times.append(time.perf_counter()))
    end = time.perf_counter()
    taken = [after - before for before, after in pairwise(times[1:])]
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return {"step": median(taken), "picture": end - times[0], "peak": peak}


if __name__ == "__main__":
    made = {"genai": genai, "sdcpp": sdcpp}[sys.argv[1]]
    found = made(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    print(json.dumps(found))
