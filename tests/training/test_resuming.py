"""What stops a run so that it can go on, and what it does not go on from."""

from __future__ import annotations

import json
import re
import signal
import tomllib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from limner.errors import Cancelled, InvalidInput
from limner.training import checkpoints
from limner.training.loop import Loop
from limner.training.run import train
from tests.training.interrupting import press_ctrl_c
from tests.training.test_loop import Line, recipe
from tests.training.test_run import RECIPE

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Line):
    """The line, which hears signals one after another in its third step."""

    def __init__(self, *signals: signal.Signals) -> None:
        super().__init__()
        self.signals = signals

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        if step == 2:
            for number in self.signals:
                press_ctrl_c(number)
        return super().loss(step, first, size, generator)


@pytest.mark.parametrize("number", _SIGNALS)
def test_ctrl_c_or_what_stops_a_container_saves_a_checkpoint(
    tmp_path: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [signal.getsignal(each) for each in _SIGNALS]
    with pytest.raises(Cancelled, match="saved at step 3 of 12; go on with --resume"):
        Loop(Stopped(number), recipe(), 7, tmp_path).run()
    assert "stopping after this step, and saving it" in capfd.readouterr().err, "a step may take minutes"
    newest = checkpoints.newest(tmp_path / "checkpoints")
    assert newest is not None and newest[1]["step"] == 3
    assert [signal.getsignal(each) for each in _SIGNALS] == before


@pytest.mark.parametrize("second", _SIGNALS)
def test_a_second_one_stops_at_once(tmp_path: Path, second: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in _SIGNALS]
    with pytest.raises(KeyboardInterrupt):
        Loop(Stopped(signal.SIGINT, second), recipe(), 7, tmp_path).run()
    assert checkpoints.newest(tmp_path / "checkpoints") is None
    assert [signal.getsignal(each) for each in _SIGNALS] == before


@pytest.mark.parametrize(
    "kept",
    ["{", '{"family": "other"}', json.dumps(tomllib.loads(RECIPE) | {"denoising": {"steps": 4}})],
    ids=["no JSON", "family", "table"],
)
def test_a_run_of_another_version_is_not_gone_on_with(tmp_path: Path, kept: str) -> None:
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    (out / "recipe.json").write_text(kept, encoding="utf-8")
    message = f"^the run in {re.escape(str(out))} was begun by another version; start again with --anew$"
    with pytest.raises(InvalidInput, match=message):
        train(tmp_path / "small.toml", out, resume=True)
    assert (out / "recipe.json").read_text("utf-8") == kept
