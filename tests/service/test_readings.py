"""Words of several senses in jobs: read by the reader's country, told, and changed by a choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from .access.conftest import drawn
from .fake_studio import FakeStudio

LEXICON = {"torch": {"senses": ["torch", "flashlight"], "countries": {"GB": "flashlight"}}}
TORCH = "a torch on the beach"


@pytest.fixture
def lexicon(studio: FakeStudio, tmp_path: Path) -> None:
    studio.folder = tmp_path / "model"
    studio.folder.mkdir()
    (studio.folder / "lexicon.json").write_text(json.dumps(LEXICON), encoding="utf-8")


def asked(client: TestClient, language: str | None = None, **fields: Any) -> dict[str, Any]:
    headers = {} if language is None else {"accept-language": language}
    answer = client.post("/v1/jobs", json={"prompt": TORCH, **fields}, headers=headers)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("lexicon")
@pytest.mark.parametrize(
    ("language", "fields", "sense"),
    [
        (None, {}, "torch"),
        ("en-GB,en;q=0.9", {}, "flashlight"),
        ("en-US", {}, "torch"),
        ("en-US;q=0.1, en-GB", {}, "flashlight"),
        ("*, en-US;q=0.2, en-GB;q=0.7", {}, "flashlight"),
        ("en-GB;q=0", {}, "torch"),
        ("en-US", {"locale": "en-GB"}, "flashlight"),
        ("en-GB", {"readings": {"torch": "torch"}}, "torch"),
        (";;;, -", {}, "torch"),
    ],
)
def test_a_torch_by_country_and_by_choice(
    client: TestClient, studio: FakeStudio, language: str | None, fields: dict[str, Any], sense: str
) -> None:
    job = asked(client, language, **fields)
    assert job["request"]["prompt"] == TORCH, "the prompt stays as it was typed"
    assert job["request"]["readings"] == {"torch": sense} and job["senses"] == {
        "torch": ["torch", "flashlight"]
    }
    again = drawn(
        client, **{k: job["request"][k] for k in ("prompt", "locale", "readings") if job["request"][k]}
    )
    assert again["request"]["readings"] == {"torch": sense}
    assert {request.prompt for request in studio.started} == {f"a {sense} on the beach"}


@pytest.mark.usefixtures("lexicon")
def test_what_cannot_be_read_so_is_named(client: TestClient) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"readings": {"torch": "banana"}}, "readings"),
        ({"locale": "no tag"}, "locale"),
        ({"readings": {"torch": 3}}, "readings"),
    ]
    for fields, field in wrong:
        answer = client.post("/v1/jobs", json={"prompt": TORCH, **fields})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field


@pytest.mark.usefixtures("lexicon")
def test_a_search_is_for_what_was_typed(client: TestClient) -> None:
    job = asked(client, "en-GB")
    for search, found in [("torch", [job["id"]]), ("flashlight", [])]:
        answer = client.get(f"/v1/jobs?search={search}").json()
        assert [one["id"] for one in answer["jobs"]] == found


def test_a_model_that_does_not_know_the_words_reads_them_as_they_stand(client: TestClient) -> None:
    job = asked(client, "en-GB")
    assert job["request"]["readings"] == {} and job["senses"] == {} and job["request"]["locale"] is None


@pytest.mark.usefixtures("lexicon")
def test_a_prompt_that_is_too_long_in_words_of_one_sense_is_refused(client: TestClient) -> None:
    longest = TORCH + "!" * (1000 - len(TORCH))
    assert asked(client, prompt=longest)["request"]["prompt"] == longest
    body = {"prompt": longest}
    answer = client.post("/v1/jobs", json=body, headers={"accept-language": "en-GB"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "prompt"
    assert "1005 characters" in answer.text
