"""The most memory that drawing one way takes, in a process of its own: what a small machine must have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..errors import LimnerError, Unavailable
from ..evaluation.machine import peak_memory
from ..registry.choices import Choice
from ..registry.models import Model, open_model
from .measuring import Way, draw_with


def check_told() -> None:
    """Unavailable where the system does not tell what a process held."""
    if peak_memory() is None:
        raise Unavailable(
            "--for edge measures memory, and this system does not tell what a process held; only Linux does"
        )


def peak_of(model: Model, row: Choice, text: str, data_dir: Path) -> int:
    """MB that a process holds at most which draws one picture as a row says, its networks compiled before.

    LimnerError with its last words where it fails.
    """
    arguments = [str(model.path), str(data_dir), row.model_dump_json(), text]
    command = [sys.executable, "-m", "limner.optimizing.memory", *arguments]
    for _ in range(2):  # the first one compiles
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise LimnerError(f"drawing in {row.precision} to measure its memory failed: {last}")
    return round(float(done.stdout.splitlines()[-1]))


def _draw_and_tell(arguments: list[str]) -> None:
    path, data_dir, row, text = arguments
    model, told = open_model(Path(path)), Choice.model_validate_json(row)
    draw_with(
        model, Way(told.precision, told.guidance_interval, reuse=told.feature_reuse), [text], Path(data_dir)
    )
    sys.stdout.write(f"{peak_memory()}\n")


if __name__ == "__main__":
    _draw_and_tell(sys.argv[1:])
