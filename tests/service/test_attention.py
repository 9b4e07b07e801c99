"""Which word drew what, in a job's result; and the address of the original AttnGAN's service."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from limner.engine.studio import LocalStudio
from limner.registry import Registry
from limner.service.app import create_app
from limner.service.storage.retention import orphans
from tests.service.fake_studio import FakeStudio

BASE = "http://127.0.0.1:8000"
CAPTION = "the bird has a yellow crown"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(tmp_path, FakeStudio()), base_url=BASE) as made:
        yield made


@pytest.fixture
def birds(tmp_path: Path, tiny_attngan: Path) -> Iterator[TestClient]:
    shutil.copytree(tiny_attngan, tmp_path / "models" / "tiny-attngan" / "1")
    with TestClient(create_app(tmp_path, LocalStudio(Registry(tmp_path))), base_url=BASE) as made:
        yield made


def finished(client: TestClient, **asked: Any) -> dict[str, Any]:
    job = client.post("/v1/jobs", json={"prompt": "a red apple", **asked}).json()
    for _ in range(6000):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
        if found["state"] not in ("queued", "running"):
            assert found["state"] == "succeeded", found["error"]
            return found
        time.sleep(0.01)
    raise AssertionError("not drawn within a minute")


def picture(client: TestClient, url: str) -> Image.Image:
    answer = client.get(url.removeprefix(BASE))
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def test_maps_come_with_the_picture_where_they_are_asked_for(client: TestClient) -> None:
    (plain,) = finished(client)["images"]
    assert plain["attention"] is None and plain["sizes"] == []
    job = finished(client, attention=True)
    assert job["request"]["attention"] is True
    told = job["images"][0]["attention"]
    assert told["words"] == ["a", "red", "apple"]
    (one,) = told["maps"]
    assert (one["width"], one["height"]) == (8, 8)
    levels = np.asarray(picture(client, one["url"]))
    assert levels.shape == (3 * 8, 8), "a map a word, one below the other"
    for k in range(3):
        assert levels[8 * k, 0] == 0 and levels[8 * k + 7, 7] == 255
    page = client.get("/v1/jobs").json()["jobs"]
    assert [each["images"][0]["attention"] is None for each in page] == [False, True]


def test_the_events_of_a_finished_job_tell_it_too(client: TestClient) -> None:
    job = finished(client, attention=True)
    told = client.get(f"/v1/jobs/{job['id']}/events").text
    assert '"words":["a","red","apple"]' in told


def test_the_original_clients_get_their_answer(birds: TestClient) -> None:
    answer = birds.post("/api/v1.0/bird", json={"caption": CAPTION, "user": "anyone"})
    assert answer.status_code == 201
    (name,) = answer.json()
    bird = answer.json()[name]
    assert name == "bird" and bird["caption"] == CAPTION and bird["elapsed"] > 0
    sides = [picture(birds, bird[size]).size for size in ("small", "medium", "large")]
    assert sides == [(16, 16), (32, 32), (64, 64)]
    for name in ("map1", "map2"):
        page = picture(birds, bird[name])
        assert page.width == 4 * 192, "the picture and six words, four in a row"
    assert bird["map1"] != bird["map2"]
    (job,) = birds.get("/v1/jobs").json()["jobs"]
    assert job["request"]["model"] == "tiny-attngan@1"
    service = birds.app.state.service  # type: ignore[attr-defined]
    assert not orphans(service._engine, service.images), "the pages are the job's"
    birds.delete(f"/v1/jobs/{job['id']}?forget=true")
    assert [birds.get(bird[name]).status_code for name in ("large", "small", "map1", "map2")] == [404] * 4
    assert not list(service.images.list())


def test_of_several_versions_the_newest_draws_birds(
    birds: TestClient, tmp_path: Path, tiny_attngan: Path
) -> None:
    manifest = shutil.copytree(tiny_attngan, tmp_path / "models" / "tiny-attngan" / "2") / "limner.json"
    told = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps(told | {"version": "2"}), encoding="utf-8")
    assert birds.post("/api/v1.0/bird", json={"caption": CAPTION}).status_code == 201
    (job,) = birds.get("/v1/jobs").json()["jobs"]
    assert job["request"]["model"] == "tiny-attngan@2"


@pytest.mark.parametrize(
    ("body", "field"), [({}, "caption"), ({"caption": ""}, "caption"), ({"caption": "xyzzy qux"}, None)]
)
def test_a_wrong_caption_is_named(birds: TestClient, body: dict[str, Any], field: str | None) -> None:
    answer = birds.post("/api/v1.0/bird", json=body)
    if field is None:  # the tiny model has a word for all unknown ones
        assert answer.status_code == 201
        return
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_without_an_attngan_it_says_how_to_get_one(client: TestClient) -> None:
    answer = client.post("/api/v1.0/bird", json={"caption": CAPTION})
    assert answer.status_code == 404
    assert "limner models import attngan" in answer.json()["detail"]
