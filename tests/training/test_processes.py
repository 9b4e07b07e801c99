"""Data parallel: two processes learn what one learns from the same batch taken in two parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from limner.registry.models import open_model

RECIPE = """
seed = 4
[data]
storybook_count = 24
size = 32
held_out = 0.2
[autoencoder]
channels = [8, 16, 16]
latent_channels = 4
subject_weight = 0.1
scale_weight = 0.2
steps = 3
batch_size = 4
accumulation = {accumulation}
crop = 16
whole_from = 0.5
warmup = 1
precision = "float32"
gradient_checkpointing = true
[denoiser]
channels = [16, 32]
heads = 2
text_layers = 1
text_width = 32
text_heads = 2
text_length = 16
vocabulary_size = 600
steps = 3
batch_size = 4
accumulation = {accumulation}
warmup = 1
precision = "float32"
[model]
name = "small"
title = "Small"
description = "Three steps of each."
"""
PROGRAM = """
import sys
from pathlib import Path
from limner.training.run import train
from accelerate import PartialState
if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), resume=False)
    print(f"process {PartialState().process_index} of {PartialState().num_processes}")
"""


def _train(folder: Path, processes: int) -> Path:
    """Train in so many processes, each step in two parts altogether; the folder of the run."""
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE.format(accumulation=2 // processes))
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [*command, str(folder / "program.py"), str(folder / "recipe.toml"), str(folder / "out")],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for number in range(processes):
        assert f"process {number} of {processes}" in done.stdout
    return folder / "out"


@pytest.mark.parametrize("stage", ["autoencoder", "denoiser"])
def test_two_processes_learn_what_one_learns(runs: tuple[Path, Path], stage: str) -> None:
    one, two = (
        torch.load(next((run / stage / "checkpoints").glob("0*")) / "state.pt", weights_only=True)
        for run in runs
    )
    assert one["step"] == two["step"] == 3
    for name, weight in one["module"].items():
        torch.testing.assert_close(two["module"][name], weight, rtol=1e-4, atol=1e-5)


def test_one_of_them_exports(runs: tuple[Path, Path]) -> None:
    assert [open_model(run / "model").manifest.lineage.examples for run in runs] == [12, 12]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("processes")
    return _train(folder / "one", 1), _train(folder / "two", 2)
