"""A model that draws token by token, served like any other."""

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
def client(tmp_path: Path, tiny_parti: Path) -> Iterator[TestClient]:
    shutil.copytree(tiny_parti, tmp_path / "models" / "tiny-parti" / "1")
    app = create_app(tmp_path, LocalStudio(Registry(tmp_path)), model="tiny-parti@1")
    with TestClient(app, base_url="http://127.0.0.1:8000") as made:
        yield made


def _drawn(client: TestClient, **asked: Any) -> dict[str, Any]:
    job = client.post("/v1/jobs", json={"prompt": "a red apple", **asked}).json()
    for _ in range(6000):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.01)
    raise AssertionError("not drawn within a minute")


def test_it_offers_what_it_has(client: TestClient) -> None:
    model = next(m for m in client.get("/v1/models").json()["models"] if m["name"] == "tiny-parti")
    assert model["family"] == "parti" and model["edits"] is False
    assert model["defaults"] == {
        "steps": 4, "guidance_scale": 1.5, "sampler": None, "temperature": 1.0, "top_k": 8, "best_of": 1
    }  # fmt: skip
    limits = model["limits"]
    assert limits["steps"] == [4, 4]
    assert {"guidance_scale", "negative_prompt", "temperature", "top_k"} <= limits.keys()
    assert "best_of" not in limits, "no matcher is there that has learned what it has learned"


def test_it_draws_jobs_that_can_be_asked_for_again(client: TestClient) -> None:
    done = _drawn(client, seed=3, n=2, temperature=0.8, top_k=5)
    assert done["state"] == "succeeded" and (done["step"], done["steps"]) == (4, 4)
    assert (done["request"]["temperature"], done["request"]["top_k"]) == (0.8, 5)
    again = {key: value for key, value in done["request"].items() if value is not None}
    assert [one["id"] for one in _drawn(client, **again)["images"]] == [one["id"] for one in done["images"]]


@pytest.mark.parametrize(
    "asked", [{"steps": 20}, {"temperature": 0.0}, {"top_k": 0}, {"temperature": 11.0}, {"width": 64}]
)
def test_what_it_has_not_is_refused_by_name(client: TestClient, asked: dict[str, Any]) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a bird", **asked})
    assert answer.status_code == 422
    (field,) = asked
    assert [error["field"] for error in answer.json()["errors"]] == [field]
