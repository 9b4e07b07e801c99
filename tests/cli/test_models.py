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
