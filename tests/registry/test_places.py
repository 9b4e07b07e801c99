from __future__ import annotations

from pathlib import Path

import pytest

from limner.errors import Unavailable
from limner.registry.places import data_dir


def test_option_wins_over_variable_and_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_DATA_DIR", str(tmp_path / "variable"))
    assert data_dir(tmp_path / "deep" / "option") == tmp_path / "deep" / "option"
    assert (tmp_path / "deep" / "option").is_dir()
    assert data_dir() == tmp_path / "variable"


def test_without_either_it_is_the_platforms_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIMNER_DATA_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "platform"))
    assert data_dir() == tmp_path / "platform"


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Unavailable, match="--data-dir"):
        data_dir(tmp_path / "file" / "inside")
