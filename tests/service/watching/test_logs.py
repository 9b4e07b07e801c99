from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.engine.request import DrawRequest
from limner.engine.watching import Loaded
from limner.errors import Lost
from limner.service.database import open_database
from limner.service.jobs import JobStore
from limner.service.notes import Running
from limner.service.settling import settled
from limner.service.watching import EventLog, log_as_json

from ..access.conftest import As
from ..conftest import Await
from ..fake_studio import FakeStudio

SECRET = "a secret apple"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the process logs, as JSON."""
    root, own = logging.getLogger(), logging.getLogger("limner.service")
    before = root.handlers[:], root.level, own.level
    stream = io.StringIO()
    log_as_json(stream)
    yield stream
    root.handlers[:], root.level, own.level = before


def lines(written: io.StringIO, **of: object) -> list[dict[str, Any]]:
    """The lines whose fields are as `of` says."""
    found = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line for line in found if of.items() <= line.items()]


def listen(client: TestClient, prompts: bool = False) -> None:
    client.app.state.service.watching.add(EventLog(prompts))  # type: ignore[attr-defined]


def test_a_job_can_be_followed_from_its_request_to_its_end(
    client: TestClient, until: Await, written: io.StringIO
) -> None:
    listen(client)
    asked = {"prompt": SECRET, "n": 2, "steps": 3}
    job = client.post("/v1/jobs", json=asked, headers={"X-Request-Id": "mine"}).json()["id"]
    client.get(f"/v1/jobs/{job}/events")
    told = [line["event"] for line in lines(written, job=job)]
    assert told == ["job accepted", "job begun", "picture", "picture", "job succeeded"]
    (accepted,) = lines(written, event="job accepted")
    assert (accepted["request"], accepted["n"], accepted["steps"]) == ("mine", 2, 3)
    (request,) = lines(written, event="request", method="POST")
    assert (request["request"], request["route"], request["status"]) == ("mine", "/v1/jobs", 202)
    assert all(line["time"].endswith("+00:00") and line["level"] == "info" for line in lines(written))


def test_prompts_are_logged_when_asked_for_alone(
    client: TestClient, studio: FakeStudio, until: Await, written: io.StringIO
) -> None:
    listen(client)
    studio.failures = 3
    until(client.post("/v1/jobs", json={"prompt": SECRET}).json()["id"], "failed")
    client.post("/v1/jobs", json={"prompt": SECRET, "steps": 0})
    client.post("/v1/jobs", json={"prompt": SECRET, "model": "nobody"})
    assert "secret" not in written.getvalue()
    assert lines(written, event="job failed")[0]["error"].startswith("the paint ran out")
    listen(client, prompts=True)
    client.post("/v1/jobs", json={"prompt": SECRET})
    assert [line.get("prompt") for line in lines(written, event="job accepted")] == [None, None, SECRET]


def test_what_fails_is_one_line_with_its_job_and_traceback(
    client: TestClient, studio: FakeStudio, until: Await, written: io.StringIO
) -> None:
    studio.failures = 1
    job = client.post("/v1/jobs", json={"prompt": SECRET}).json()["id"]
    until(job, "succeeded")
    (line,) = lines(written, event="log", job=job)
    assert line["level"] == "warning" and line["logger"] == "limner.service.runner"
    assert "RuntimeError: the paint ran out" in line["traceback"]


def test_a_crash_of_a_route_has_the_id_of_its_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, written: io.StringIO
) -> None:
    listen(client)

    def breaks() -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr(client.app.state.service, "readiness", breaks)  # type: ignore[attr-defined]
    quiet = TestClient(client.app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    assert quiet.get("/readyz", headers={"X-Request-Id": "mine"}).status_code == 500
    (crash,) = lines(written, event="log", request="mine")
    assert "it broke" in crash["traceback"]
    (request,) = lines(written, event="request", request="mine")
    assert (request["status"], request["level"]) == (500, "error")


def test_the_key_is_told_by_its_prefix_and_never_whole(
    client: TestClient, known: As, written: io.StringIO
) -> None:
    listen(client)
    one = known("one")
    one.get("/v1/jobs")
    secret = one.headers["authorization"].removeprefix("Bearer ")
    (line,) = lines(written, event="request", status=200)
    assert secret.startswith(line["key"]) and len(line["key"]) < 20
    assert secret not in written.getvalue()


def test_who_asks_all_the_time_is_logged_when_something_is_wrong(
    client: TestClient, written: io.StringIO
) -> None:
    listen(client)
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path)
    assert lines(written) == []
    client.get("/healthz", headers={"Host": "evil.example"})
    assert [line["status"] for line in lines(written)] == [421]


def test_a_graph_that_is_loaded_is_logged(written: io.StringIO) -> None:
    EventLog()(Loaded("m@1", "unet", "openvino", 0.51234))
    (line,) = lines(written)
    assert (line["event"], line["model"], line["seconds"]) == ("graph loaded", "m@1", 0.512)


def test_who_asked_by_openais_api_is_logged_beside_the_job(client: TestClient, written: io.StringIO) -> None:
    answer = client.post("/v1/images/generations", json={"prompt": "an apple", "user": "ann"})
    assert answer.status_code == 200
    (line,) = [line for line in lines(written, event="log") if "'ann'" in line["message"]]
    assert line["level"] == "info" and "is drawn for" in line["message"]
    assert line["job"] == answer.headers["limner-job"]


def test_a_job_that_was_lost_with_its_engine_is_named(tmp_path: Path, written: io.StringIO) -> None:
    store = JobStore(open_database(tmp_path / "limner.db"))
    store.add(DrawRequest(prompt=SECRET), 1)
    job = store.take("a", 9)
    assert job is not None
    settled(store, "a", Running(job, error=Lost("it ended")))
    (line,) = lines(written, event="log", job=job.id)
    assert "was lost with its engine" in line["message"]


def test_others_are_logged_from_warnings_on(written: io.StringIO) -> None:
    logging.getLogger("elsewhere").info("small talk")
    logging.getLogger("elsewhere").warning('odd\n"request"')
    (line,) = lines(written)
    assert line["message"] == 'odd\n"request"' and "\n" not in written.getvalue().strip()


def test_the_stream_is_stderr_unless_told_otherwise(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    log_as_json(sys.stderr)
    logging.getLogger("limner").warning("here")
    assert json.loads(capsys.readouterr().err)["message"] == "here"
