"""What a key may use."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.engine.request import DrawRequest
from limner.errors import OverLimit
from limner.service.access import KeyStore
from limner.service.access.caller import Caller
from limner.service.access.quotas import DAY, UNIT, Buckets, charge, cost, used_today
from limner.service.database import open_database

from ..fake_studio import FakeStudio
from .conftest import As, drawn, with_key

MUCH = {"prompt": "a red apple", "steps": 150, "n": 8}  # of 64 x 64: 4.9 compute units


@pytest.fixture
def limited(client: TestClient, keys: KeyStore) -> TestClient:
    """One that may use 5 compute units a day."""
    return with_key(client, keys.create("app", quota=5)[1])


def used(keys: KeyStore) -> float:
    return sum(used_today(keys.engine).values())


def test_units_are_pixels_times_steps() -> None:
    request = DrawRequest(prompt="a cat", width=512, height=512, steps=20)
    assert cost(request, 3) == 3 * 512 * 512 * 20
    begun = request.model_copy(update={"image": "x", "strength": 0.5})
    assert cost(begun, 1) == 512 * 512 * 10, "only the steps that are taken"


def test_a_quota_bounds_the_day(limited: TestClient, keys: KeyStore) -> None:
    assert limited.post("/v1/jobs", json=MUCH).status_code == 202
    assert used(keys) == pytest.approx(4.9152)
    answer = limited.post("/v1/jobs", json=MUCH)
    assert answer.status_code == 429
    assert "4.9 compute units" in answer.json()["detail"] and "midnight" in answer.json()["detail"]
    assert 0 < int(answer.headers["retry-after"]) <= DAY
    assert answer.headers["ratelimit-policy"] == '"day";q=5;w=86400'
    assert answer.headers["ratelimit"].startswith('"day";r=0;t=') and answer.headers["ratelimit-limit"] == "5"
    assert used(keys) == pytest.approx(4.9152), "what is refused costs nothing"
    assert limited.post("/v1/jobs", json={"prompt": "a small one"}).status_code == 202


def test_what_is_not_drawn_is_given_back(limited: TestClient, keys: KeyStore, studio: FakeStudio) -> None:
    studio.gate.clear()
    job = limited.post("/v1/jobs", json=MUCH).json()["id"]
    limited.delete(f"/v1/jobs/{job}")
    assert used(keys) == 0
    limited.delete(f"/v1/jobs/{job}")
    assert used(keys) == 0
    studio.gate.set()
    studio.failures = 99
    assert drawn(limited)["state"] == "failed" and used(keys) == 0


@pytest.mark.parametrize("forget", ["", "?forget=true"])
def test_steps_that_were_taken_before_it_was_cancelled_are_paid_for(
    limited: TestClient, keys: KeyStore, studio: FakeStudio, forget: str
) -> None:
    studio.permits = threading.Semaphore(3)
    job = limited.post("/v1/jobs", json={**MUCH, "n": 1}).json()["id"]
    with limited.stream("GET", f"/v1/jobs/{job}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: ") and '"step":3' in line:
                break
    limited.delete(f"/v1/jobs/{job}{forget}")
    deadline = time.monotonic() + 20
    while used(keys) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert used(keys) == pytest.approx(3 * 64 * 64 / UNIT)


def test_other_keys_have_their_own(limited: TestClient, known: As, keys: KeyStore) -> None:
    limited.post("/v1/jobs", json=MUCH)
    assert known("other").post("/v1/jobs", json=MUCH).status_code == 202
    assert used(keys) == pytest.approx(2 * 4.9152)


def test_a_new_day_is_a_new_quota(tmp_path: Path) -> None:
    database = open_database(tmp_path / "limner.db")
    caller, evening = Caller("k", "k", frozenset({"draw"}), "app", quota=1), 100 * DAY - 1
    with database.execution_options(write=True).begin() as connection:
        charge(connection, caller, UNIT, evening)
        with pytest.raises(OverLimit) as refused:
            charge(connection, caller, 1, evening)
        assert refused.value.retry_after == 1
        charge(connection, caller, UNIT, evening + 1)


def test_an_admin_is_told_what_keys_used(client: TestClient, limited: TestClient, known: As) -> None:
    limited.post("/v1/jobs", json=MUCH)
    told: list[dict[str, Any]] = known("admin").get("/v1/admin/keys").json()["keys"]
    assert [(key["name"], key["quota"], key["used_today"]) for key in told] == [
        ("app", 5, 4.915),
        ("admin", None, 0.0),
    ]
    assert all("digest" not in key for key in told)


def test_a_rate_bounds_the_requests_of_a_key(client: TestClient, keys: KeyStore, known: As) -> None:
    limited = with_key(client, keys.create("app", rate=2)[1])
    first = limited.get("/v1/jobs")
    assert first.status_code == 200
    assert first.headers["ratelimit-policy"] == '"requests";q=2;w=60'
    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("2", "1")
    assert limited.get("/v1/jobs").status_code == 200
    refused = limited.get("/v1/jobs")
    assert refused.status_code == 429 and refused.headers["content-type"] == "application/problem+json"
    assert 0 < int(refused.headers["retry-after"]) <= 30 and refused.headers["ratelimit-remaining"] == "0"
    assert known("other").get("/v1/jobs").status_code == 200


def test_a_bucket_fills_evenly_up_to_a_minutes_worth() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    assert [buckets.take("k", 6).wait for _ in range(7)] == [0] * 6 + [10]
    now = 5
    assert buckets.take("k", 6).wait == 5
    now = 10
    assert buckets.take("k", 6).wait == 0
    now = 1000
    assert [buckets.take("k", 6).left for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    assert buckets.take("slow", 0.5).wait == 0
    assert buckets.take("slow", 0.5).wait == 120
