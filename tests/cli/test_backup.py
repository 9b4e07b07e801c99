from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from limner.engine.request import DrawRequest
from limner.service.database import connect, open_database, revision_of
from limner.service.images import ImageStore
from limner.service.jobs import JobStore
from limner.service.storage.archive import verified
from tests.service.test_store import back_to

from .conftest import Run, refused


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


@pytest.mark.parametrize(
    "verb",
    [["backup", "."], ["storage"], ["keys", "list"], ["jobs", "failed"], ["feedback", "export", "set"]],
)
def test_the_wrong_data_directory_is_named_and_not_made(tmp_path: Path, run: Run, verb: list[str]) -> None:
    wrong = tmp_path / "wrong"
    told = refused(run(*verb, "--data-dir", str(wrong)))
    assert f"no limner.db in {wrong}" in told and "--data-dir" in told
    assert list(tmp_path.iterdir()) == []


def test_what_a_backup_leaves_out_is_told(tmp_path: Path, run: Run) -> None:
    data = tmp_path / "data"
    data.mkdir()
    engine = open_database(data / "limner.db")
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("CREATE TABLE visitors (name TEXT)"))
    engine.dispose()
    whole, damaged = map(ImageStore(data / "images").put, (b"whole", b"damaged"))
    (data / "images" / damaged[:2] / f"{damaged}.png").write_bytes(b"dam")
    done = run("backup", str(tmp_path / "file"))
    assert done.exit_code == 1 and "1 pictures" in done.stdout and (tmp_path / "file").is_file()
    assert damaged in done.stderr and whole not in done.stderr and "not Limner's: visitors" in done.stderr


def test_a_backup_leaves_a_database_at_its_revision(tmp_path: Path, run: Run) -> None:
    data, file = tmp_path / "data", tmp_path / "file"
    data.mkdir()
    engine = open_database(data / "limner.db")
    job = JobStore(engine).add(DrawRequest(prompt="a red apple", seed=1, steps=4), 1)
    with engine.execution_options(write=True).begin() as connection:
        back_to(connection, "0018")
    engine.dispose()
    done = run("backup", str(file))
    assert done.exit_code == 0, done.output
    engine = connect(data / "limner.db")
    with engine.connect() as connection:
        assert revision_of(connection) == "0018"
    assert verified(file).revision == "0018"

    assert run("restore", str(file), "--data-dir", str(tmp_path / "new")).exit_code == 0
    new = open_database(tmp_path / "new" / "limner.db")
    assert JobStore(new).get(job.id) == job
    new.dispose()

    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "newer Limner" in refused(run("backup", str(file)))


def test_a_backup_that_is_not_there(tmp_path: Path, run: Run) -> None:
    done = run("restore", str(tmp_path / "none"), "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 2 and "none" in done.stderr
