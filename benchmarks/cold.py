"""Whole processes, from nothing to a picture on the disk: `limner draw`, and a script that uses diffusers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from limner.engine.request import DrawRequest

LIMNER = "from limner.cli import main; main()"
DIFFUSERS = """
import json, sys
from pathlib import Path
from PIL import Image
from benchmarks.reference import draw, load_pipeline
asked = json.loads(sys.argv[2])
Image.fromarray(draw(load_pipeline(Path(sys.argv[1])), asked)).save(sys.argv[3])
"""


def limner_draw(request: DrawRequest, data_dir: Path) -> float:
    """Seconds of one `limner draw` process; the model chooses steps and guidance."""
    command = [sys.executable, "-c", LIMNER, "draw", request.prompt, "--model", request.model]
    command += ["--data-dir", str(data_dir), "-o", str(data_dir / "cold.png"), "--seed", str(request.seed)]
    return _seconds(command)


def diffusers_draw(request: DrawRequest, model: Path, folder: Path) -> float:
    """Seconds of a process that loads the pipeline and draws the same."""
    asked = request.model_dump(include={"prompt", "seed", "steps", "guidance_scale", "sampler"})
    return _seconds(
        [sys.executable, "-c", DIFFUSERS, str(model), json.dumps(asked), str(folder / "cold.png")]
    )


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[:4]} ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds
