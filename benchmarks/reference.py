"""diffusers on the same weights: StableDiffusionPipeline, float32, eager, in a process of its own.

The process reads one JSON object a line (prompt, seed, steps, guidance_scale, sampler, and perhaps `save`) and
answers with the seconds each picture took, so that its threads sleep while Limner is measured, and the
other way round. `python -m benchmarks.reference MODEL` is that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from limner.engine.request import DrawRequest


class Reference:
    """The other process. A context manager: leaving it ends the process."""

    def __init__(self, model: Path) -> None:
        """Start it and wait until the pipeline is loaded."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.reference", str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def draw(self, request: DrawRequest, save: Path | None = None) -> float:
        """Seconds for one picture of a resolved request; its pixels go to `save` as .npy."""
        asked = request.model_dump(include={"prompt", "seed", "steps", "guidance_scale", "sampler"})
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked | {"save": str(save) if save else None}) + "\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def megabytes(self) -> float:
        """Memory that it holds now."""
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the diffusers process has ended; its error is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def load_pipeline(model: Path, half: bool = False) -> Any:
    """The pipeline in float32, or in bfloat16, as diffusers' documentation says, without its progress bars."""
    import torch
    import transformers
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    pipeline = StableDiffusionPipeline.from_pretrained(
        model,
        dtype=torch.bfloat16 if half else torch.float32,
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def set_sampler(pipeline: Any, sampler: str) -> None:
    """Give the pipeline the scheduler that is Limner's `sampler`, on the model's own schedule."""
    import diffusers

    kind, options = {
        "ddim": (diffusers.DDIMScheduler, {}),
        "euler": (diffusers.EulerDiscreteScheduler, {}),
        "dpm++2m": (
            diffusers.DPMSolverMultistepScheduler,
            {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"},
        ),
    }[sampler]
    if type(pipeline.scheduler) is not kind:
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **options)


def draw(pipeline: Any, asked: dict[str, Any]) -> NDArray[np.uint8]:
    """One picture, uint8 (H, W, 3)."""
    import torch

    set_sampler(pipeline, asked["sampler"])
    done = pipeline(
        asked["prompt"],
        num_inference_steps=asked["steps"],
        guidance_scale=asked["guidance_scale"],
        generator=torch.Generator().manual_seed(asked["seed"]),
        output_type="np",
    )
    pixels: NDArray[np.uint8] = (done.images[0] * 255).round().astype(np.uint8)
    return pixels


def main() -> None:
    """Answer lines until there are no more."""
    pipeline = load_pipeline(Path(sys.argv[1]))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        pixels = draw(pipeline, asked)
        seconds = time.perf_counter() - began
        if asked.get("save"):
            np.save(asked["save"], pixels)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
