"""Clients can be made from /openapi.json: schemathesis asks everything that it allows, and what it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from limner.service.app import create_app

from .fake_studio import MANIFEST, FakeStudio
from .running import running

FUZZING = Path(__file__).parent / "fuzzing"


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    studio = FakeStudio()
    studio.folder = tmp_path
    studio.more = (MANIFEST.model_copy(update={"name": "birds", "family": "attngan"}),)
    (tmp_path / "card.json").write_text("{}", encoding="utf-8")
    for file in FUZZING.iterdir():  # it takes its settings from where it runs, and leaves notes there
        if file.is_file():
            shutil.copy(file, tmp_path)
    with running(create_app(tmp_path, studio, drain_seconds=0.2)) as url:
        run = subprocess.run(
            [
                Path(sys.executable).parent / "schemathesis",
                "run", f"{url}/openapi.json",
                "--max-examples", "12",
                "--seed", "7",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=1800,
        )  # fmt: skip
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr
