"""The best of several, asked of the service."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.engine.request import DrawRequest
from limner.families.matcher.matcher import open_matcher
from limner.registry.models import BUILT_IN, open_model
from limner.service.access.quotas import cost

from .conftest import Await
from .fake_studio import FakeStudio

ASKED: dict[str, Any] = {"prompt": "a red apple", "seed": 10, "best_of": 3, "n": 2}


def drawn(client: TestClient, until: Await, **asked: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json=ASKED | asked)
    assert answer.status_code == 202, answer.text
    return until(answer.json()["id"], "succeeded", "failed")


def test_each_picture_is_the_best_of_its_candidates(
    client: TestClient, until: Await, studio: FakeStudio
) -> None:
    alone = [drawn(client, until, seed=seed, n=1, best_of=1) for seed in range(10, 16)]
    matcher = open_matcher(open_model(BUILT_IN / "matcher-scenes"))
    colours = [studio.colour(seed) for seed in range(10, 16)]
    scores = matcher.score(colours, [ASKED["prompt"]] * 6).reshape(2, 3)
    best = [10 + int(scores[0].argmax()), 13 + int(scores[1].argmax())]

    job = drawn(client, until)

    assert (job["state"], job["step"], job["steps"]) == ("succeeded", 4, 4)
    assert [image["seed"] for image in job["images"]] == best
    by_seed = {one["images"][0]["seed"]: one["images"][0]["id"] for one in alone}
    assert [image["id"] for image in job["images"]] == [by_seed[seed] for seed in best]
    assert (job["request"]["best_of"], job["request"]["matcher"]) == (3, "matcher-scenes@1")


def test_what_was_chosen_before_is_known_again(client: TestClient, until: Await, studio: FakeStudio) -> None:
    first = drawn(client, until)
    count = len(studio.started)
    again = client.post("/v1/jobs", json={key: value for key, value in first["request"].items() if value})
    assert again.json()["state"] == "succeeded" and len(studio.started) == count
    assert [image["id"] for image in again.json()["images"]] == [image["id"] for image in first["images"]]


def test_a_cancelled_one_stops_all_candidates(client: TestClient, until: Await, studio: FakeStudio) -> None:
    studio.gate.clear()
    job = client.post("/v1/jobs", json=ASKED).json()["id"]
    until(job, "running")
    client.delete(f"/v1/jobs/{job}")
    assert until(job, "cancelled")["images"] == []
    for _ in studio.started:
        assert studio.ended.acquire(timeout=10), "each of the drawings that were begun ends"


def test_candidates_cost_what_pictures_cost() -> None:
    one = DrawRequest(prompt="x", width=64, height=64, steps=4)
    assert cost(one, 2) == 2 * 64 * 64 * 4
    assert cost(one.model_copy(update={"best_of": 3}), 2) == 3 * cost(one, 2)


def test_a_model_that_a_matcher_judges_says_so(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert model["limits"]["best_of"] == [1, 8] and model["defaults"]["best_of"] == 1


@pytest.mark.parametrize("asked", [{"best_of": 0}, {"best_of": 9}, {"matcher": "../../etc"}, {"matcher": ""}])
def test_what_cannot_be_is_refused_by_name(client: TestClient, asked: dict[str, Any]) -> None:
    answer = client.post("/v1/jobs", json=ASKED | asked)
    assert answer.status_code == 422
    (field,) = asked
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_openais_clients_may_ask_for_it(client: TestClient, studio: FakeStudio) -> None:
    answer = client.post("/v1/images/generations", json={"prompt": "a red apple", "seed": 10, "best_of": 2})
    assert answer.status_code == 200, answer.text
    assert [request.seed for request in studio.started] == [10, 11]


def test_where_no_matcher_judges_openais_clients_are_told_of_what_they_asked(
    client: TestClient, studio: FakeStudio
) -> None:
    studio.unjudged = True
    answer = client.post("/v1/images/generations", json={"prompt": "a red apple", "best_of": 2})
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], "leave it out" in answer.json()["error"]["message"]) == (
        "best_of",
        True,
    )


def test_a_job_has_no_more_candidates_than_are_drawn_at_once(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=ASKED | {"best_of": 8, "n": 5})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "best_of" and "40 drawings; at most 32" in error["message"]
