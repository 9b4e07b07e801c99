"""A model that draws in one step, served like any other: what it has not is neither offered nor taken."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.engine.studio import LocalStudio
from limner.registry import Registry
from limner.service.app import create_app


@pytest.fixture
def client(tmp_path: Path, tiny_attngan: Path) -> Iterator[TestClient]:
    shutil.copytree(tiny_attngan, tmp_path / "models" / "tiny-attngan" / "1")
    app = create_app(tmp_path, LocalStudio(Registry(tmp_path)), model="tiny-attngan@1")
    with TestClient(app, base_url="http://127.0.0.1:8000") as made:
        yield made


def _drawn(client: TestClient, **asked: Any) -> dict[str, Any]:
    job = client.post("/v1/jobs", json={"prompt": "the bird has a yellow crown", **asked}).json()
    for _ in range(6000):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.01)
    raise AssertionError("not drawn within a minute")


def test_it_offers_what_it_has(client: TestClient) -> None:
    model = next(m for m in client.get("/v1/models").json()["models"] if m["name"] == "tiny-attngan")
    assert model["family"] == "attngan" and model["edits"] is False
    assert [size["width"] for size in model["sizes"]] == [64, 32, 16]
    assert model["defaults"]["steps"] == 1
    assert {name: value for name, value in model["defaults"].items() if value is not None} == {
        "steps": 1,
        "best_of": 1,
    }
    assert model["limits"]["steps"] == [1, 1]
    assert not {"guidance_scale", "negative_prompt"} & model["limits"].keys()
    assert model["vocabulary"] == ["a", "bird", "black", "crown", "has", "the", "yellow"]


def test_it_draws_jobs_in_every_size(client: TestClient) -> None:
    done = _drawn(client, seed=3, n=2)
    assert done["state"] == "succeeded" and (done["step"], done["steps"]) == (1, 1)
    assert [(one["width"], one["height"]) for one in done["images"]] == [(64, 64)] * 2
    again = {key: value for key, value in done["request"].items() if value is not None}
    assert [one["id"] for one in _drawn(client, **again)["images"]] == [one["id"] for one in done["images"]]
    assert _drawn(client, seed=3, width=16)["images"][0]["width"] == 16


@pytest.mark.parametrize(
    "asked", [{"steps": 20}, {"guidance_scale": 4.0}, {"negative_prompt": "snow"}, {"width": 48}]
)
def test_what_it_has_not_is_refused_by_name(client: TestClient, asked: dict[str, Any]) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a bird", **asked})
    assert answer.status_code == 422
    (field,) = asked
    assert [error["field"] for error in answer.json()["errors"]] == [field]
