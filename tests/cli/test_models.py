from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run, refused


@pytest.fixture
def own(tmp_path: Path, tiny_model: Path) -> Path:
    """A data directory's folder of tiny@1."""
    folder = tmp_path / "data" / "models" / "tiny" / "1"
    shutil.copytree(tiny_model, folder)
    return folder


def test_list(run: Run, own: Path) -> None:
    result = run("models", "list")
    assert result.exit_code == 0, result.output
    (row,) = (line for line in result.stdout.splitlines() if "tiny" in line)
    assert "64x64" in row
    (told,) = (one for one in json.loads(run("models", "list", "--json").stdout) if one["name"] == "tiny")
    assert told["path"] == str(own)


def test_show_as_json(run: Run, own: Path) -> None:
    result = run("models", "show", "tiny", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["path"] == str(own)
    assert (told["name"], told["version"], told["family"]) == ("tiny", "1", "diffusion")
    assert told["sizes"] == [{"width": 64, "height": 64}]
    assert told["sampler"]["steps"] == 4
    assert told["vocabulary_size"] == 6
    assert told["built_in"] is False


def test_show_for_people(run: Run, own: Path) -> None:
    result = run("models", "show", "tiny@1")
    assert result.exit_code == 0, result.output
    for words in ("tiny@1", str(own), "64 x 64 px", "4 steps", "Apache-2.0"):
        assert words in result.stdout


def test_an_unknown_model(run: Run) -> None:
    assert "model 'nope' not found" in refused(run("models", "show", "nope"))


def test_show_tells_what_was_measured(run: Run, own: Path) -> None:
    row = {
        "precision": "int8",
        "guidance_interval": [0, 0.8],
        "seconds": 0.1,
        "statements": 0.7,
        "psnr": 30.5,
    }
    other = row | {"precision": "bfloat16", "seconds": 0.2, "statements": None, "psnr": None}
    told = {"target": "cpu", "machine": "a machine", "created": "2026-01-31", "prompts": 9}
    (own / "choices.json").write_text(
        json.dumps(told | {"rows": [other, row | {"chosen": True}]}), encoding="utf-8"
    )
    shown = run("models", "show", "tiny@1").stdout
    assert "9 sentences each on a machine" in shown
    assert (
        "guided 0 to 0.8: 0.100 s a picture, 70.0 % of statements hold, 30.5 dB to float32, chosen" in shown
    )
    assert "guided 0 to 0.8: 0.200 s a picture\n" in shown
