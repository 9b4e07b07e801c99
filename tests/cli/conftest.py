"""The command line with a studio that draws plain colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from limner import api
from limner.cli.app import app
from tests.service.fake_studio import FakeStudio

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line in an empty folder, with a data directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMNER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> FakeStudio:
    """What `limner draw` draws with."""
    made = FakeStudio()

    def load(model: str, *rest: Any, **more: Any) -> api.Limner:
        return api.Limner(made, model)

    monkeypatch.setattr(api, "load", load)
    return made


def refused(result: Result) -> str:
    """The one line on stderr of a verb that exits 2."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line
