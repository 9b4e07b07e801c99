from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.engine.request import DrawRequest
from limner.service.app import create_app
from limner.service.database import open_database
from limner.service.jobs import MAX_LOSSES, JobStore
from tests.cli.conftest import Run, refused
from tests.service.access.conftest import BASE, drawn
from tests.service.fake_studio import FakeStudio


def test_a_job_that_failed_is_named_with_its_reason_and_tried_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    open_database(folder / "limner.db").dispose()
    assert "no job has failed" in run("jobs", "failed").stdout
    studio = FakeStudio(failures=3)
    with TestClient(create_app(folder, studio, drain_seconds=0.2), base_url=BASE) as client:
        job = drawn(client)
        assert (job["state"], job["attempts"]) == ("failed", 3)
    shown = run("jobs", "failed").stdout
    assert job["id"] in shown and "the paint ran out" in shown
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run("jobs", "failed").stdout
    assert job["id"] in narrow and max(map(len, narrow.splitlines())) <= 80
    (told,) = json.loads(run("jobs", "failed", "--json").stdout)
    assert (told["id"], told["attempts"]) == (job["id"], 3) and "3 times" in told["error"]
    assert run("jobs", "retry", job["id"]).exit_code == 0
    assert "is queued: only one that failed" in refused(run("jobs", "retry", job["id"]))
    with TestClient(create_app(folder, FakeStudio(), drain_seconds=0.2), base_url=BASE) as client:
        while not (now := client.get(f"/v1/jobs/{job['id']}").json())["finished_at"]:
            pass
        assert (now["state"], now["error"], now["attempts"], len(now["images"])) == ("succeeded", None, 1, 1)
    assert "succeeded" in refused(run("jobs", "retry", job["id"]))
    assert "no job 'none'" in refused(run("jobs", "retry", "none"))


def test_a_job_that_was_set_aside_has_all_its_tries_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    engine = open_database(tmp_path / "data" / "limner.db")
    store = JobStore(engine)
    job = store.add(DrawRequest(prompt="a red apple", seed=1), 1).id

    def lost(times: int) -> str:
        for turn in range(times):
            store.take(f"stopped{turn}", 60)
            store.recover("new", lost=True)
        return store.get(job).state

    assert lost(MAX_LOSSES) == "failed"
    assert run("jobs", "retry", job).exit_code == 0
    assert lost(MAX_LOSSES - 1) == "queued"
    assert lost(1) == "failed"
    engine.dispose()
