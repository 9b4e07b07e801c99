"""Pictures known again: what was drawn before for the same owner is not drawn again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from limner.engine.request import DrawRequest
from limner.service import statements
from limner.service.access import KeyStore
from limner.service.access.quotas import used_today
from limner.service.app import create_app
from limner.service.results import digest, settled

from .access.conftest import As, drawn, keys, known, with_key
from .conftest import Await
from .fake_studio import FakeStudio
from .test_forgetting import files

__all__ = ["keys", "known"]
BODY: dict[str, Any] = {"prompt": "a red apple", "seed": 7}


def ask(client: TestClient, **fields: Any) -> dict[str, Any]:
    """A job as the answer to its request tells it."""
    answer = client.post("/v1/jobs", json=BODY | fields)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(client: TestClient, job: str) -> list[str]:
    text = client.get(f"/v1/jobs/{job}/events").text
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


def counted(client: TestClient, result: str) -> float | None:
    found: float | None = client.app.state.metrics.registry.get_sample_value(  # type: ignore[attr-defined]
        "limner_results_total", {"model": "storybook", "result": result}
    )
    return found


def test_the_same_request_is_answered_at_once_with_the_same_bytes(
    client: TestClient, studio: FakeStudio
) -> None:
    first = drawn(client, seed=7)
    again = ask(client)
    assert again["state"] == "succeeded" and again["id"] != first["id"]
    assert again["images"] == first["images"] and again["request"] == first["request"]
    assert len(studio.started) == 1
    assert again["step"] == again["steps"] == 4 and again["attempts"] == 0
    assert events(client, again["id"]) == ["image", "succeeded"]
    assert client.get(f"/v1/jobs/{again['id']}").json() == again
    assert [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [again["id"], first["id"]]
    assert (counted(client, "hit"), counted(client, "miss")) == (1, 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a red  apple"},
        {"seed": 8},
        {"steps": 5},
        {"guidance_scale": 3},
        {"guidance_interval": [0, 0.5]},
        {"negative_prompt": "blue"},
        {"attention": True},
        {"variation_strength": 0.5, "variation_seed": 1},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_differs_in_anything_is_drawn(
    client: TestClient, studio: FakeStudio, fields: dict[str, Any]
) -> None:
    drawn(client, seed=7)
    drawn(client, **(BODY | fields))
    assert len(studio.started) == 2


def test_of_many_that_are_the_same_one_is_looked_at(client: TestClient, studio: FakeStudio) -> None:
    first = drawn(client, seed=7)
    again = [ask(client) for _ in range(4)]
    assert all(each["images"] == first["images"] for each in again) and len(studio.started) == 1
    service = client.app.state.service  # type: ignore[attr-defined]
    request = service.store.get(first["id"]).request
    with service.store._reads.begin() as connection:
        what = digest(request.nth(0), studio.identity(request) + service.mark)
        found = statements.known(connection, "", [what, "another"])
        newest = connection.execute(select(func.max(statements.JOBS.c.number))).scalar_one()
    assert [row.job for row in found] == [newest]


def test_what_is_asked_for_as_the_default_is_the_same(client: TestClient, studio: FakeStudio) -> None:
    first = drawn(client, seed=7)
    settings = {name: value for name, value in first["request"].items() if value is not None}
    assert ask(client, **settings, priority="bulk")["images"] == first["images"]
    assert len(studio.started) == 1


def test_what_is_to_be_drawn_anew_is(client: TestClient, studio: FakeStudio) -> None:
    first = drawn(client, seed=7)
    again = drawn(client, seed=7, anew=True)
    assert len(studio.started) == 2 and again["id"] != first["id"]
    assert [image["id"] for image in again["images"]] == [image["id"] for image in first["images"]]


def test_without_a_seed_it_is_drawn_anew(client: TestClient, studio: FakeStudio) -> None:
    first = drawn(client)  # the studio of the tests always draws the seed 5
    assert drawn(client)["request"]["seed"] == first["request"]["seed"] == 5
    assert len(studio.started) == 2
    assert ask(client, seed=5)["state"] == "succeeded", "but who then names the seed has it"
    assert len(studio.started) == 2


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, False),
        ({"seed": 1}, True),
        ({"seed": 1, "variation_strength": 0.5}, False),
        ({"seed": 1, "variation_seed": 2}, True),
        ({"variation_seed": 2, "variation_strength": 0.5}, False),
    ],
)
def test_a_request_names_its_seeds_or_does_not(fields: dict[str, Any], names: bool) -> None:
    assert settled(DrawRequest(prompt="a cat", **fields)) is names


def test_of_several_pictures_only_the_new_ones_are_drawn(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    first = drawn(client, seed=8, n=2)
    again = drawn(client, seed=7, n=4)
    assert [request.seed for request in studio.started] == [8, 9, 7, 10]
    assert [image["index"] for image in again["images"]] == [0, 1, 2, 3]
    assert [image["seed"] for image in again["images"]] == [7, 8, 9, 10]
    assert [image["id"] for image in again["images"][1:3]] == [image["id"] for image in first["images"]]
    assert (counted(client, "hit"), counted(client, "miss")) == (2, 4)


def test_what_was_there_is_told_to_who_follows(client: TestClient, studio: FakeStudio) -> None:
    drawn(client, seed=7)
    studio.seconds_a_step = 0.01
    job = ask(client, n=2)
    assert job["state"] in {"queued", "running"} and [image["index"] for image in job["images"]] == [0]
    told = events(client, job["id"])
    assert told.count("image") == 2 and told[-1] == "succeeded"


def test_other_weights_under_the_same_name_draw(client: TestClient, studio: FakeStudio) -> None:
    drawn(client, seed=7)
    studio.drawn_by = "the second weights"
    drawn(client, seed=7)
    assert len(studio.started) == 2
    assert ask(client)["state"] == "succeeded"
    studio.drawn_by = "the first weights"
    assert ask(client)["state"] == "succeeded" and len(studio.started) == 2


def test_weights_replaced_while_a_picture_is_drawn_vouch_for_nothing(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.gate.clear()
    job = ask(client)["id"]
    until(job, "running")
    studio.drawn_by = "the second weights"
    studio.gate.set()
    until(job, "succeeded")
    for drawn_by in ("the first weights", "the second weights"):
        studio.drawn_by = drawn_by
        studio.gate.clear()
        again = ask(client)
        assert again["state"] != "succeeded", drawn_by
        client.delete(f"/v1/jobs/{again['id']}")
        studio.gate.set()
        until(again["id"], "cancelled")


def test_a_picture_that_is_forgotten_is_drawn_again(
    client: TestClient, studio: FakeStudio, tmp_path: Path
) -> None:
    first = drawn(client, seed=7)
    again = ask(client)
    client.delete(f"/v1/jobs/{first['id']}?forget=true")
    assert client.get(again["images"][0]["url"]).status_code == 200, "the other job shows it"
    assert ask(client)["state"] == "succeeded"
    for job in client.get("/v1/jobs").json()["jobs"]:
        client.delete(f"/v1/jobs/{job['id']}?forget=true")
    assert files(tmp_path) == set()
    assert drawn(client, seed=7)["images"] == first["images"]
    assert len(studio.started) == 2


def test_a_picture_whose_file_is_gone_is_drawn_again(
    client: TestClient, studio: FakeStudio, tmp_path: Path
) -> None:
    first = drawn(client, seed=7)
    for file in (tmp_path / "images").glob("??/*.png"):
        file.unlink()
    assert drawn(client, seed=7)["images"] == first["images"]
    assert len(studio.started) == 2 and client.get(first["images"][0]["url"]).status_code == 200


def test_what_came_with_a_picture_comes_again(client: TestClient) -> None:
    first = drawn(client, seed=7, attention=True)
    again = ask(client, attention=True)
    assert again["state"] == "succeeded"
    assert again["images"][0]["attention"] == first["images"][0]["attention"] is not None


def test_another_owner_cannot_tell_that_it_was_drawn(
    client: TestClient, known: As, studio: FakeStudio
) -> None:
    drawn(known("one"), seed=7)
    for name in ("other", "admin"):
        studio.gate.clear()
        job = ask(known(name))
        assert job["state"] != "succeeded", name
        studio.gate.set()
        while not known(name).get(f"/v1/jobs/{job['id']}").json()["finished_at"]:
            pass
    assert len(studio.started) == 3
    assert ask(known("other"))["state"] == "succeeded", "but its own it has"


def test_keys_of_one_owner_share_it(
    client: TestClient, keys: KeyStore, known: As, studio: FakeStudio
) -> None:
    drawn(known("one"), seed=7)
    second = with_key(client, keys.create("second", owner_of="one")[1])
    assert ask(second)["state"] == "succeeded" and len(studio.started) == 1


def test_what_is_not_drawn_costs_nothing(client: TestClient, keys: KeyStore, studio: FakeStudio) -> None:
    one = with_key(client, keys.create("small", quota=1)[1])
    first = drawn(one, seed=7, steps=150)  # 0.6 units of the 1 that the day has
    assert first["state"] == "succeeded"
    assert one.post("/v1/jobs", json=BODY | {"seed": 8, "steps": 150}).status_code == 429
    assert ask(one, steps=150)["images"] == first["images"]
    more = drawn(one, seed=7, steps=150, n=1)
    assert more["state"] == "succeeded" and len(studio.started) == 1


def test_what_fails_beside_it_is_given_back_and_no_more(
    client: TestClient, keys: KeyStore, studio: FakeStudio
) -> None:
    one = with_key(client, keys.create("one")[1])
    picture = 64 * 64 * 4 / 1e6
    drawn(one, seed=7)
    studio.failures = 3
    assert drawn(one, seed=7, n=2)["state"] == "failed"
    (used,) = used_today(keys.engine).values()
    assert used == pytest.approx(picture)
    drawn(one, seed=7, n=3)
    (used,) = used_today(keys.engine).values()
    assert used == pytest.approx(3 * picture)


def test_a_full_queue_does_not_refuse_what_is_there(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    drawn(client, seed=7)
    studio.gate.clear()
    until(ask(client, seed=20)["id"], "running")
    for seed in (21, 22, 23):
        ask(client, seed=seed)
    assert client.post("/v1/jobs", json=BODY | {"seed": 24}).status_code == 429
    assert ask(client)["state"] == "succeeded"
    studio.gate.set()


def test_it_is_sent_again_like_any_other(client: TestClient) -> None:
    drawn(client, seed=7)
    answers = [
        client.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": "one"}).json() for _ in range(2)
    ]
    assert answers[0] == answers[1] and answers[0]["state"] == "succeeded"
    assert len(client.get("/v1/jobs").json()["jobs"]) == 2


def test_openais_clients_have_it_too(client: TestClient, studio: FakeStudio) -> None:
    def generated() -> dict[str, Any]:
        answer = client.post("/v1/images/generations", json={"prompt": "a red apple", "seed": 7})
        assert answer.status_code == 200, answer.text
        (told,) = answer.json()["data"]
        found: dict[str, Any] = told
        return found

    first, again = generated(), generated()
    assert first["b64_json"] == again["b64_json"] and len(studio.started) == 1
    answer = client.post(
        "/v1/images/generations",
        json={"prompt": "a red apple", "seed": 7, "stream": True, "partial_images": 2},
    )
    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in told] == ["image_generation.completed"]
    assert told[0]["b64_json"] == first["b64_json"] and len(studio.started) == 1


def test_it_survives_the_service(tmp_path: Path) -> None:
    for started in (1, 0):
        studio = FakeStudio()
        app = create_app(tmp_path, studio, drain_seconds=0.2)
        with TestClient(app, base_url="http://127.0.0.1:8000") as made:
            drawn(made, seed=7)
        assert len(studio.started) == started
