from __future__ import annotations

import json
from pathlib import Path

from limner.engine.request import DrawRequest
from limner.service.database import open_database
from limner.service.jobs import JobStore

from .conftest import Run


def test_what_was_backed_up_is_restored_elsewhere(tmp_path: Path, run: Run) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    engine = open_database(data / "limner.db")
    job = JobStore(engine).add(DrawRequest(prompt="a red apple", seed=1, steps=4), 1)
    engine.dispose()
    done = run("backup", str(tmp_path), "--data-dir", str(data))
    assert done.exit_code == 0, done.output
    (file,) = tmp_path.glob("limner-*.limner")
    assert "1 jobs" in done.stdout and file.name in done.stdout

    done = run("restore", str(file), "--data-dir", str(elsewhere))
    assert done.exit_code == 0, done.output
    engine = open_database(elsewhere / "limner.db")
    assert JobStore(engine).get(job.id) == job
    engine.dispose()

    told = run("storage", "--data-dir", str(elsewhere), "--json")
    assert told.exit_code == 0 and json.loads(told.stdout)["jobs"] == {"queued": 1}
    assert "limner.db" in run("storage", "--data-dir", str(elsewhere)).stdout

    again = run("restore", str(file), "--data-dir", str(elsewhere))
    assert again.exit_code == 2 and "--force" in again.stderr and again.stderr.count("\n") == 1
    assert run("restore", str(file), "--data-dir", str(elsewhere), "--force").exit_code == 0


def test_a_backup_that_is_not_there(tmp_path: Path, run: Run) -> None:
    done = run("restore", str(tmp_path / "none"), "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 2 and "none" in done.stderr
