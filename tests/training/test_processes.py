"""Data parallel: two processes learn what one learns from the same batch taken in two parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st

from limner.errors import Cancelled, InvalidInput
from limner.registry.models import open_model
from limner.training.loop import Loop
from limner.training.sharing import shares
from tests.training.learners import LEARNERS
from tests.training.test_loop import Line, recipe

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
from types import SimpleNamespace
from limner.families.diffusion import training
from limner.training.run import train
from accelerate import PartialState
if __name__ == "__main__":
    if "without-export" in sys.argv:
        training._export = lambda *all: None
        training.open_model = lambda place: SimpleNamespace(path=place)
    train(Path(sys.argv[1]), Path(sys.argv[2]), resume=False)
    print(f"process {PartialState().process_index} of {PartialState().num_processes}")
"""


BEGIN = """
import sys
from pathlib import Path
from accelerate import PartialState
from limner.errors import Cancelled
from limner.training.loop import Loop
from tests.training.learners import LEARNERS
if __name__ == "__main__":
    PartialState(cpu=True)
    for name, (made, how) in LEARNERS.items():
        try:
            Loop(made(stop_at=6), how(), 7, Path(sys.argv[1], name)).run()
        except Cancelled:
            print("stopped")
"""
CONTINUE = """
import sys
from pathlib import Path
from accelerate import PartialState
from limner.training.loop import Loop
from tests.training.learners import LEARNERS
if __name__ == "__main__":
    PartialState(cpu=True)
    for name, (made, how) in LEARNERS.items():
        Loop(made(), how(accumulation=2), 7, Path(sys.argv[1], name)).run(resume=True)
"""


COUNT = """
import sys
from pathlib import Path
import torch
from accelerate import PartialState
from limner.training.loop import Loop
from tests.training.test_loop import Line, recipe
class Counting(Line):
    def __init__(self):
        super().__init__()
        self.module.register_buffer("counted", torch.zeros(()))
    def loss(self, step, first, size, generator):
        self.module.counted += torch.rand((), generator=generator)
        return super().loss(step, first, size, generator)
if __name__ == "__main__":
    PartialState(cpu=True)
    stage = Counting()
    Loop(stage, recipe(), 7, Path(sys.argv[1])).run()
    print("counted", float(stage.module.counted), flush=True)
"""


def _start(processes: int, *arguments: Path | str) -> str:
    """What so many processes print that run a program with its arguments together."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each learner learns in one process without a stop."""
    folder = tmp_path_factory.mktemp("whole")
    for name, (made, how) in LEARNERS.items():
        Loop(made(), how(accumulation=2), 7, folder / name).run()
    return folder


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, begun in one process and ended in two."""
    folder = tmp_path_factory.mktemp("gone_on")
    for name, (made, how) in LEARNERS.items():
        with pytest.raises(Cancelled):
            Loop(made(stop_at=6), how(accumulation=2), 7, folder / name).run()
    (folder / "program.py").write_text(CONTINUE, encoding="utf-8")
    _start(2, folder / "program.py", folder)
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, begun in two processes."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "program.py").write_text(BEGIN, encoding="utf-8")
    assert _start(2, folder / "program.py", folder).count("stopped") == 2 * len(LEARNERS)
    return folder


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_run_of_one_process_goes_on_in_two_as_if_it_were_one(
    whole: Path, gone_on: Path, learner: str
) -> None:
    """Weights, averages and held-out losses, dropout included: batches are learned in as many parts as before."""
    one, two = (_last(folder / learner) for folder in (whole, gone_on))
    assert one["step"] == two["step"] == 12 and two["parts"] == 2
    _same(one, two)
    logs = [folder / learner / "validation.log" for folder in (whole, gone_on)]
    assert [log.exists() for log in logs] == 2 * [
        learner != "turns"
    ]  # which looks at nothing that is held out
    said = {log.read_text("utf-8").split()[-1] for log in logs if log.exists()}
    assert len(said) <= 1


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_run_of_two_processes_goes_on_in_one(whole: Path, begun: Path, learner: str) -> None:
    """What the two kept apart of optimiser and averages is whole again."""
    assert _last(begun / learner)["step"] < 12
    made, how = LEARNERS[learner]
    Loop(made(), how(accumulation=2), 7, begun / learner).run(resume=True)
    _same(_last(whole / learner), _last(begun / learner))


def _same(one: dict[str, Any], two: dict[str, Any]) -> None:
    learned = one.keys() - {"step", "parts", "seconds"}
    assert {"module", "ema"} < learned == two.keys() - {"step", "parts", "seconds"}
    for part in learned:
        torch.testing.assert_close(_tensors(two[part]), _tensors(one[part]), rtol=1e-5, atol=1e-6)


def _tensors(state: Any, at: str = "") -> dict[str, torch.Tensor]:
    """All tensors in a state, by where they stand."""
    if isinstance(state, torch.Tensor):
        return {at: state}
    inside = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else ()
    return {name: found for key, each in inside for name, found in _tensors(each, f"{at}.{key}").items()}


@given(st.lists(st.integers(1, 1000), max_size=40), st.integers(1, 9))
def test_shares_are_as_even_as_the_largest_thing_allows(sizes: list[int], processes: int) -> None:
    owners = shares(sizes, processes)
    held = [
        sum(size for size, owner in zip(sizes, owners, strict=True) if owner == k) for k in range(processes)
    ]
    assert sum(held) == sum(sizes) and max(held) - min(held) <= max(sizes, default=0)


def test_parts_that_processes_cannot_share_are_made_anew_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop(Line(), recipe(accumulation=2), 7, tmp_path)
    loop._keep_parts(4)
    assert loop.parts == 4
    loop.accelerator.state.num_processes, loop.parts = 3, 6
    try:
        loop._keep_parts(2)
    finally:
        loop.accelerator.state.num_processes = 1
    assert loop.parts == 6
    assert "learned in 2 parts, which 3 processes cannot share" in " ".join(capsys.readouterr().out.split())


def test_a_batch_that_processes_cannot_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accelerator, "num_processes", 3)
    message = r"^line\.batch_size=8 must be a multiple of 6: accumulation 2 in 3 processes$"
    with pytest.raises(InvalidInput, match=message) as raised:
        Loop(Line(), recipe(accumulation=2), 7, tmp_path)
    assert raised.value.field == "line.batch_size"


def test_statistics_are_the_same_in_all_processes(tmp_path: Path) -> None:
    """Those of the first, which is what a checkpoint has."""
    (tmp_path / "program.py").write_text(COUNT, encoding="utf-8")
    said = _start(2, tmp_path / "program.py", tmp_path / "run")
    found = [float(line.split()[-1]) for line in said.splitlines() if line.startswith("counted")]
    assert len(found) == 2 and found[0] == found[1] != 0
    kept = torch.load(tmp_path / "run" / "checkpoints" / "000000012" / "state.pt", weights_only=True)
    assert kept["module"]["counted"] == found[0]


def _last(run: Path) -> dict[str, Any]:
    """The state of the last checkpoint of a stage's folder."""
    found: dict[str, Any] = torch.load(
        sorted((run / "checkpoints").glob("0*"))[-1] / "state.pt", weights_only=True
    )
    return found


def _train(folder: Path, processes: int, *options: str) -> Path:
    """Train in so many processes, each step in two parts altogether; the folder of the run."""
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE.format(accumulation=2 // processes), encoding="utf-8")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    said = _start(processes, folder / "program.py", folder / "recipe.toml", folder / "out", *options)
    for number in range(processes):
        assert f"process {number} of {processes}" in said
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
    assert open_model(runs[1] / "model").manifest.lineage.examples == 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("processes")
    return _train(folder / "one", 1, "without-export"), _train(folder / "two", 2)
