"""What is said of pictures: kept, changed, taken back, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from ..access.conftest import As, drawn


def picture(client: TestClient, k: int = 0, **fields: Any) -> str:
    return str(drawn(client, **fields)["images"][k]["id"])


def say(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/feedback", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def said(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/feedback{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["feedback"])


def test_a_vote_knows_what_it_is_of(client: TestClient) -> None:
    job = drawn(client, seed=7, n=2)
    image = job["images"][1]
    found = say(client, image=image["id"], vote="up", note="  the light  ")
    assert found["prompt"] == "a red apple" and found["seed"] == image["seed"] == 8
    assert found["model"] == job["request"]["model"] and found["job"] == job["id"]
    assert (found["vote"], found["note"], found["caption"]) == ("up", "the light", "")
    assert said(client, f"?image={image['id']}") == [found]


def test_what_is_said_last_of_a_picture_counts(client: TestClient) -> None:
    image = picture(client)
    first = say(client, image=image, vote="up", note="fine")
    second = say(client, image=image, vote="down", caption="a green apple")
    assert second["id"] == first["id"] and second["created_at"] == first["created_at"]
    assert [(one["vote"], one["note"], one["caption"]) for one in said(client)] == [
        ("down", "", "a green apple")
    ]


def test_the_better_of_two_and_a_change_of_mind(client: TestClient) -> None:
    one, other = (image["id"] for image in drawn(client, seed=1, n=2)["images"])
    say(client, image=one, over=other)
    say(client, image=other, over=one)
    (left,) = said(client, f"?image={one}")
    assert (left["image"], left["over"]) == (other, one)
    say(client, image=one, vote="down")
    assert len(said(client)) == 2, "a vote stands beside a comparison"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "vote"),
        ({"vote": "sideways"}, "vote"),
        ({"vote": "up", "note": "x" * 1001}, "note"),
        ({"vote": "up", "note": "\x07"}, "note"),
        ({"caption": "x" * 1001}, "caption"),
        ({"vote": "up", "stars": 5}, "stars"),
        ({"over": "0" * 64}, "over"),
        ({"image": "0" * 64, "vote": "up"}, "image"),
        ({"image": "../../etc", "vote": "up"}, "image"),
    ],
)
def test_what_cannot_be_used_is_named(client: TestClient, fields: dict[str, Any], field: str) -> None:
    answer = client.post("/v1/feedback", json={"image": picture(client)} | fields)
    assert answer.status_code == 422
    (wrong,) = answer.json()["errors"]
    assert wrong["field"] == field
    assert said(client) == []


def test_an_unknown_field_tells_the_fields_of_feedback(client: TestClient) -> None:
    answer = client.post("/v1/feedback", json={"image": "0" * 64, "stars": 5})
    assert answer.json()["errors"][0]["allowed"] == "the fields image, over, vote, note, caption"


def test_only_pictures_of_one_prompt_are_compared(client: TestClient) -> None:
    one, other = picture(client, seed=1), picture(client, prompt="a blue house", seed=2)
    for over in (other, one):
        answer = client.post("/v1/feedback", json={"image": one, "over": over})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "over"
    two_more = {"vote": "up"}, {"caption": "an apple"}
    for more in two_more:
        pair = {"image": one, "over": picture(client, seed=3)} | more
        assert client.post("/v1/feedback", json=pair).status_code == 422


def test_it_is_taken_back(client: TestClient) -> None:
    found = say(client, image=picture(client), vote="up")
    assert client.delete(f"/v1/feedback/{found['id']}").json() == found
    assert said(client) == [] and client.delete(f"/v1/feedback/{found['id']}").status_code == 404


def test_pages_of_it_are_newest_first(client: TestClient) -> None:
    made = [say(client, image=picture(client, seed=seed), vote="up")["id"] for seed in range(3)]
    first = client.get("/v1/feedback?limit=2").json()
    assert [one["id"] for one in first["feedback"]] == made[:0:-1] and first["next"] == made[1]
    rest = client.get(f"/v1/feedback?limit=2&before={first['next']}").json()
    assert [one["id"] for one in rest["feedback"]] == made[:1] and rest["next"] is None
    assert client.get("/v1/feedback?before=nothing").status_code == 404


def test_everybody_has_their_own(client: TestClient, known: As) -> None:
    mine = say(known("one"), image=picture(known("one"), seed=4), vote="up")
    assert said(known("other")) == [] and said(known("other"), f"?image={mine['image']}") == []
    assert known("other").delete(f"/v1/feedback/{mine['id']}").status_code == 404
    refused = known("other").post("/v1/feedback", json={"image": mine["image"], "vote": "down"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "image"
    same = say(known("other"), image=picture(known("other"), seed=4), vote="down")
    assert same["image"] == mine["image"], "two keys may think differently of the same picture"
    assert said(known("one")) == [mine] and len(said(known("admin"))) == 2
    assert said(known("admin"), "?mine=true") == [] and said(known("one"), "?mine=true") == [mine]


def test_it_goes_with_its_picture(client: TestClient) -> None:
    job = drawn(client, seed=1, n=2)
    one, other = (image["id"] for image in job["images"])
    say(client, image=one, vote="up")
    say(client, image=other, over=one)
    assert client.delete(f"/v1/jobs/{job['id']}?forget=true").status_code == 200
    assert said(client) == []
