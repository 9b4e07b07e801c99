"""Two runs do not work in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import Unavailable
from limner.registry.holding import held
from limner.training.run import train
from tests.training.test_run import RECIPE


def test_a_folder_in_which_another_works_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    learned = tmp_path / "out" / "denoiser"
    learned.mkdir(parents=True)
    with held(tmp_path / "out"), pytest.raises(Unavailable, match=r"another run works in .*out: .*--out"):
        train(tmp_path / "small.toml", tmp_path / "out", resume=False)
    assert learned.is_dir() and not (tmp_path / "out" / "recipe.json").exists()
