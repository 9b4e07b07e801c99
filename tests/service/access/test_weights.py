"""Shares of the time: what keys of several weights get while all of them wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from limner.errors import InvalidInput, NotFound
from limner.service.access import KeyStore
from limner.service.app import create_app

from ..fake_studio import FakeStudio
from .conftest import BASE, As, keys, known, with_key

__all__ = ["keys", "known"]
EACH = 16
SEEDS = {"one": 1000, "other": 2000}


@pytest.fixture
def client(tmp_path: Path, studio: FakeStudio) -> Iterator[TestClient]:
    app = create_app(tmp_path, studio, queue_limit=99, parallel=1, drain_seconds=0.2)
    with TestClient(app, base_url=BASE) as made:
        yield made


def queued(client: TestClient, first_seed: int) -> list[str]:
    made = []
    for seed in range(first_seed, first_seed + EACH):
        answer = client.post("/v1/jobs", json={"prompt": "a red apple", "seed": seed})
        assert answer.status_code == 202, answer.text
        made.append(answer.json()["id"])
    return made


def shares(studio: FakeStudio, client: TestClient, jobs: list[str]) -> Counter[str]:
    """Whose the first 12 pictures were after the one that was there before everybody's jobs waited."""
    studio.gate.set()
    while any(client.get(f"/v1/jobs/{job}").json()["state"] != "succeeded" for job in jobs):
        time.sleep(0.01)
    first = studio.started[1:13]
    return Counter("one" if (request.seed or 0) < SEEDS["other"] else "other" for request in first)


def test_weights_of_1_and_3_get_shares_of_1_and_3(
    client: TestClient, keys: KeyStore, studio: FakeStudio
) -> None:
    made = {name: keys.create(name, weight=weight)[1] for name, weight in (("one", 1), ("other", 3))}
    studio.gate.clear()
    jobs = {name: queued(with_key(client, made[name]), SEEDS[name]) for name in made}
    found = shares(studio, with_key(client, made["other"]), jobs["other"])
    assert found["other"] in {8, 9, 10} and found.total() == 12


def test_a_weight_counts_from_when_it_is_set(client: TestClient, keys: KeyStore, studio: FakeStudio) -> None:
    made = {name: keys.create(name)[1] for name in SEEDS}
    studio.gate.clear()
    jobs = {name: queued(with_key(client, made[name]), SEEDS[name]) for name in made}
    assert keys.weigh("one", 3).weight == 3
    found = shares(studio, with_key(client, made["one"]), jobs["one"])
    assert found["one"] in {8, 9, 10} and found.total() == 12


def test_keys_that_share_pictures_are_one_in_the_queue_with_the_largest_weight(
    client: TestClient, keys: KeyStore, studio: FakeStudio
) -> None:
    one, other = keys.create("one", weight=0.5)[1], keys.create("other")[1]
    keys.create("second", owner_of="one", weight=3)
    studio.gate.clear()
    jobs = queued(with_key(client, one), SEEDS["one"])
    queued(with_key(client, other), SEEDS["other"])
    found = shares(studio, with_key(client, one), jobs)
    assert found["one"] in {8, 9, 10} and found.total() == 12


def test_admins_see_the_weights(client: TestClient, keys: KeyStore, known: As) -> None:
    keys.create("shop", weight=2.5)
    told = known("admin").get("/v1/admin/keys").json()["keys"]
    assert {key["name"]: key["weight"] for key in told} == {"shop": 2.5, "admin": 1}


@pytest.mark.parametrize("weight", [0, -1, 0.001, 101, float("inf"), float("nan")])
def test_a_weight_out_of_range_is_refused(keys: KeyStore, weight: float) -> None:
    keys.create("shop")
    for refused in (lambda: keys.create("other", weight=weight), lambda: keys.weigh("shop", weight)):
        with pytest.raises(InvalidInput, match=r"0\.01 to 100"):
            refused()
    with pytest.raises(NotFound):
        keys.weigh("none", 2)
