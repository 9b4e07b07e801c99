"""The most memory that drawing a picture takes, in a process of its own that does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..engine.request import DrawRequest
from ..engine.studio import LocalStudio
from ..errors import LimnerError
from ..registry.models import Model, Registry
from .machine import peak_memory


def memory_of(model: Model, prompt: str, data_dir: Path) -> int | None:
    """MB (2^20 bytes) that a process holds at most which draws one picture; None where the system does not tell.

    LimnerError with its last words where it fails.
    """
    if peak_memory() is None:
        return None
    command = [sys.executable, "-m", "limner.evaluation.memory", str(model.path), str(data_dir), prompt]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise LimnerError(f"drawing to measure its memory failed: {last}")
    return round(float(done.stdout.splitlines()[-1]))


def _draw_and_tell(path: str, data_dir: str, prompt: str) -> None:
    studio = LocalStudio(Registry(Path(data_dir)))
    studio.draw(DrawRequest(prompt=prompt, model=path, seed=1))
    studio.close()
    sys.stdout.write(f"{peak_memory()}\n")


if __name__ == "__main__":
    _draw_and_tell(*sys.argv[1:])
