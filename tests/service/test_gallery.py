"""Finding one's own pictures again: by words, by pins, by what they were made from."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from .access.conftest import As, drawn, keys, known

__all__ = ["keys", "known"]


def found(client: TestClient, query: str) -> list[str]:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def picture(job: dict[str, Any], k: int = 0) -> str:
    return str(job["images"][k]["id"])


def test_every_word_of_a_search_is_in_the_prompt(client: TestClient) -> None:
    apple = drawn(client, prompt="A red Apple on a table")["id"]
    house = drawn(client, prompt="a red house, 100% wood")["id"]
    assert found(client, "search=red") == [house, apple]
    assert found(client, "search=apple%20RED") == [apple]
    assert found(client, "search=100%25") == [house] and found(client, "search=_") == []
    assert found(client, "search=storybook") == [], "what is no part of the prompt is not searched"
    assert found(client, "search=red&limit=1") == [house]
    assert found(client, f"search=red&before={house}") == [apple]


def test_a_search_finds_letters_of_any_script_in_either_case(client: TestClient) -> None:
    tree = drawn(client, prompt="Árbol, ДЛЯ, Straße")["id"]
    for search in ("árbol", "ÁRBOL", "для", "STRASSE"):
        assert found(client, f"search={search}") == [tree], search
    assert found(client, "search=arbol") == []


def test_pins_are_kept_until_they_are_taken_away(client: TestClient) -> None:
    one, other = drawn(client, seed=1), drawn(client, seed=2)
    image = picture(one)
    for _ in range(2):
        assert client.post("/v1/pins", json={"image": image}).json() == {"images": [image]}
    assert found(client, "pinned=true") == [one["id"]]
    client.post("/v1/pins", json={"image": picture(other)})
    assert client.get("/v1/pins").json() == {"images": [picture(other), image]}
    assert client.delete(f"/v1/pins/{image}").status_code == 204
    assert client.delete(f"/v1/pins/{image}").status_code == 404
    assert found(client, "pinned=true") == [other["id"]]
    client.delete(f"/v1/jobs/{other['id']}?forget=true")
    assert client.get("/v1/pins").json() == {"images": []}
    unknown = client.post("/v1/pins", json={"image": "0" * 64})
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["field"] == "image"


def test_what_was_made_from_a_picture(client: TestClient) -> None:
    first = drawn(client, seed=1)
    again = drawn(client, seed=2, image=picture(first))
    assert found(client, f"made_from={picture(first)}") == [again["id"]]
    assert found(client, f"made_from={picture(again)}") == []


def test_what_a_job_was_derived_from_is_kept_and_draws_nothing_else(client: TestClient) -> None:
    first, varied = drawn(client, seed=1), {"seed": 1, "variation_seed": 5, "variation_strength": 0.3}
    plain = drawn(client, **varied)
    derived = client.post(
        "/v1/jobs", json={"prompt": "a red apple", "derived_from": picture(first), **varied}
    )
    job = derived.json()
    assert job["state"] == "succeeded" and job["images"] == plain["images"], "it is known from before"
    assert job["request"] == plain["request"] | {"derived_from": picture(first)}
    assert found(client, f"made_from={picture(first)}") == [job["id"]]
    unknown = client.post("/v1/jobs", json={"prompt": "a red apple", "derived_from": "0" * 64})
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["field"] == "derived_from"
    assert client.delete(f"/v1/images/{picture(first)}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").json()["request"]["derived_from"] is None


def test_an_admin_finds_and_takes_away_pins_from_before_there_were_keys(
    client: TestClient, known: As
) -> None:
    job = drawn(client, seed=1)
    client.post("/v1/pins", json={"image": picture(job)})
    admin = known("admin")
    assert admin.get("/v1/pins").json() == {"images": [picture(job)]}
    assert found(admin, "pinned=true") == [job["id"]]
    assert admin.delete(f"/v1/pins/{picture(job)}").status_code == 204
    assert admin.get("/v1/pins").json() == {"images": []}


def test_pins_are_each_owners_own(client: TestClient, known: As) -> None:
    mine, theirs = drawn(known("one"), seed=9), drawn(known("other"), seed=9)
    assert picture(mine) == picture(theirs)
    known("one").post("/v1/pins", json={"image": picture(mine)})
    assert (
        known("other").get("/v1/pins").json() == {"images": []} and found(known("other"), "pinned=true") == []
    )
    assert found(known("one"), "pinned=true") == [mine["id"]]
    stranger = known("third").post("/v1/pins", json={"image": picture(mine)})
    assert stranger.status_code == 422 and stranger.json()["errors"][0]["field"] == "image"
