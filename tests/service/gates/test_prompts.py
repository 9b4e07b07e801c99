"""Prompts before gates: every call that draws passes them, and a gate that fails lets nothing through."""

from __future__ import annotations

import io
import logging
import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from limner.engine.request import DrawRequest
from limner.service.gates import Gates
from limner.service.gates.checking import PLACES
from limner.service.gates.words import Words

from ..access.conftest import drawn
from ..fake_studio import MANIFEST, FakeStudio
from .conftest import Guarded

SECRET = "a secret gun"


def broken(request: DrawRequest) -> str | None:
    raise RuntimeError("the classifier is not there")


def telltale(request: DrawRequest) -> str | None:
    raise KeyError(request.prompt)


def wrong(request: DrawRequest) -> Any:
    return True


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    return file.getvalue()


def counted(client: TestClient, name: str, **labels: str) -> float | None:
    app: Any = client.app
    found: float | None = app.state.metrics.registry.get_sample_value(name, labels)
    return found


def test_a_refused_prompt_is_told_which_gate_and_why(guarded: Guarded, studio: FakeStudio) -> None:
    client = guarded(Gates({"words": Words(["gun"])}))
    answer = client.post("/v1/jobs", json={"prompt": SECRET})
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["gate"] == "words" and "'gun'" in told["detail"] and told["reason"] in told["detail"]
    assert told["errors"][0]["field"] == "prompt"
    assert client.get("/v1/jobs").json()["jobs"] == [] and not studio.started
    assert counted(client, "limner_gate_refusals_total", gate="words", what="prompt") == 1
    assert client.post("/v1/jobs", json={"prompt": "a cat"}).status_code == 202


def test_only_refusals_of_gates_name_one(guarded: Guarded) -> None:
    client = guarded(Gates({"words": Words(["gun"])}))
    assert (
        not {"gate", "reason"} & client.post("/v1/jobs", json={"prompt": "a cat", "steps": 0}).json().keys()
    )


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/images/generations", {"json": {"prompt": SECRET}}),
        ("/v1/images/edits", {"data": {"prompt": SECRET}, "files": {"image": png()}}),
        ("/v1/images/variations", {"data": {"prompt": SECRET}, "files": {"image": png()}}),
    ],
)
def test_openais_clients_are_told_as_they_expect(guarded: Guarded, path: str, sent: dict[str, Any]) -> None:
    answer = guarded(Gates({"words": Words(["gun"])})).post(path, **sent)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("moderation_blocked", "image_generation_user_error")
    assert "'gun'" in error["message"]


def test_the_bird_passes_the_gates_too(guarded: Guarded, studio: FakeStudio) -> None:
    studio.more = (MANIFEST.model_copy(update={"name": "birds", "family": "attngan"}),)
    answer = guarded(Gates({"words": Words(["gun"])})).post("/api/v1.0/bird", json={"caption": SECRET})
    assert answer.status_code == 422
    assert answer.json()["gate"] == "words" and answer.json()["errors"][0]["field"] == "caption"


def test_what_is_said_of_a_picture_passes_the_gates_too(guarded: Guarded) -> None:
    """Else a caption that no prompt may have would be learned from."""
    client = guarded(Gates({"words": Words(["gun"])}))
    image = drawn(client)["images"][0]["id"]
    for field in ("caption", "note"):
        answer = client.post("/v1/feedback", json={"image": image, "vote": "up", field: SECRET})
        assert answer.status_code == 422 and answer.json()["gate"] == "words"
        assert answer.json()["errors"][0]["field"] == field
    assert client.get("/v1/feedback").json()["feedback"] == []
    assert client.post("/v1/feedback", json={"image": image, "vote": "up", "note": "nice"}).status_code == 200


@pytest.mark.parametrize(
    ("gate", "said"),
    [(broken, "classifier"), (telltale, "KeyError"), (wrong, "neither None nor a text")],
)
def test_a_gate_that_fails_lets_nothing_through(
    guarded: Guarded, gate: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = guarded(Gates({"mine": gate}))
    with caplog.at_level(logging.ERROR):
        answer = client.post("/v1/jobs", json={"prompt": SECRET})
    assert answer.status_code == 503 and "'mine'" in answer.json()["detail"]
    assert answer.headers["retry-after"] and said not in answer.text
    assert said in caplog.text and SECRET not in caplog.text
    assert client.get("/v1/jobs").json()["jobs"] == []
    kind = {broken: "RuntimeError", telltale: "KeyError", wrong: "TypeError"}[gate]
    assert counted(client, "limner_errors_total", where="gate", kind=kind) == 1


def test_a_gate_that_hangs_lets_nothing_through_and_holds_nobody_up(guarded: Guarded) -> None:
    opened = threading.Event()
    called: list[str] = []

    def hangs(request: DrawRequest) -> str | None:
        called.append(request.prompt)
        opened.wait(60)
        return None

    client = guarded(Gates({"slow": hangs}, seconds=0.05))
    try:
        for _ in range(PLACES + 3):
            assert client.post("/v1/jobs", json={"prompt": "a cat"}).status_code == 503
        assert len(called) == PLACES
    finally:
        opened.set()
    for _ in range(1000):
        answer = client.post("/v1/jobs", json={"prompt": "a dog"})
        if answer.status_code == 202:
            break
    assert answer.status_code == 202


def test_the_prompt_is_asked_about_as_it_is_typed_and_as_it_is_read(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def note(request: DrawRequest) -> str | None:
        seen.append(request.prompt)
        return None

    monkeypatch.setattr("limner.service.readings.known_to", lambda lexicon, words: lexicon)
    client = guarded(Gates({"note": note}))
    assert client.post("/v1/jobs", json={"prompt": "a torch", "locale": "en-GB"}).status_code == 202
    assert seen == ["a torch", "a flashlight"]


def test_every_gate_is_asked(guarded: Guarded) -> None:
    def rude(request: DrawRequest) -> str | None:
        return "  be\n polite "

    answer = guarded(Gates({"words": Words(["gun"]), "rude": rude})).post(
        "/v1/jobs", json={"prompt": "a cat"}
    )
    assert answer.json()["gate"] == "rude" and answer.json()["detail"].endswith(": be polite")
