from __future__ import annotations

import shutil
from pathlib import Path

from fastapi.testclient import TestClient

from limner.answers import Status
from limner.engine.watching import Batch, EngineEnded, LetGo, Loaded
from limner.service.app import create_app
from limner.service.storage import StorageOptions
from limner.service.watching import Recently
from limner.service.watching.sights import Answered

from ..access.conftest import BASE
from ..conftest import Await
from ..fake_studio import FakeStudio
from .test_metrics import make


def status(client: TestClient) -> Status:
    return Status.model_validate(client.get("/v1/admin/status").json())


def test_what_is_drawn_shows_with_its_progress(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.seconds_a_step = 0.01
    job = make(client, steps=150, n=2)
    client.app.state.service.watching(Loaded("storybook@1", "unet", "openvino", 1.0))  # type: ignore[attr-defined]
    found = status(client)
    while not (found.running and found.running[0].step > 1):
        found = status(client)
    (running,) = found.running
    assert (running.id, running.steps, running.done, running.n) == (job, 150, 0, 2)
    assert running.seconds > 0 and found.last_minute.steps > 2
    assert [(model.name, model.served, model.loaded) for model in found.models] == [("storybook", True, True)]
    client.delete(f"/v1/jobs/{job}")
    while found.running:
        found = status(client)
    assert found.queue is not None and found.queue.limit == 3


def test_room_is_left_out_while_the_folder_of_pictures_is_away(tmp_path: Path) -> None:
    options = StorageOptions(images=str(tmp_path / "pictures"))
    app = create_app(tmp_path / "data", FakeStudio(), drain_seconds=0.2, storage=options)
    with TestClient(app, base_url=BASE) as client:
        assert status(client).memory.data_free
        shutil.rmtree(tmp_path / "pictures")
        found, metrics = status(client), client.get("/metrics")
        assert found.memory.data_free is None and "cannot be used" in found.ready["pictures"]
        assert metrics.status_code == 200 and "limner_data_free_bytes" not in metrics.text


def test_the_prompt_is_not_told(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.failures = 3
    job = make(client, prompt="a secret apple")
    until(job, "failed")
    text = client.get("/v1/admin/status").text + client.get("/metrics").text
    assert "secret" not in text
    mishaps = status(client).mishaps
    assert [each.job for each in mishaps] == [job] * 4
    assert "the paint ran out" in mishaps[0].what and "RuntimeError" in mishaps[1].what


def test_the_last_minute_is_sixty_seconds() -> None:
    now = 1000.0
    recently = Recently(clock=lambda: now)
    for second in range(90):
        now = 1000.0 + second
        recently(Batch("m@1", "unet", "refine", 4, ("a", "b"), 0.0, 0.1))
        recently(Batch("m@1", "vae_decoder", "decode", 1, ("a",), 0.0, 0.1))
    counted = recently.counted()
    assert (counted["calls"], counted["rows"], counted["shares"]) == (60, 240, 120)
    now += 59
    assert recently.counted()["calls"] == 1
    now += 1
    assert recently.counted()["calls"] == 0


def test_failures_of_requests_are_kept_with_their_route() -> None:
    recently = Recently()
    recently(Answered("GET", "/v1/jobs", 500, 0.1, "id"))
    recently(Answered("GET", "/v1/jobs", 404, 0.1, "id"))
    recently(Answered("GET", "/readyz", 503, 0.1, "id"))
    (mishap,) = recently.mishaps()
    assert mishap.what == "GET /v1/jobs: 500"
    assert (recently.counted()["failures"], recently.counted()["refused"]) == (1, 1)


def test_what_is_loaded_is_what_is_in_memory_now() -> None:
    recently = Recently()
    for model in ("a@1", "b@1", "c@1"):
        recently(Loaded(model, "unet", "openvino", 1.0))
    recently(LetGo("b@1"))
    assert recently.loaded() == ["a@1", "c@1"]
    recently(EngineEnded("was killed"))
    assert recently.loaded() == []
    assert [mishap.what for mishap in recently.mishaps()] == ["the engine was killed"]
