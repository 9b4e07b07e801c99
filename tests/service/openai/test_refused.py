"""Errors as the official Python client raises them."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import openai
import pytest

from limner.errors import StorageDown
from limner.service.openai import routes

from .conftest import Server
from .test_generations import PROMPT


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"prompt": ""}, "prompt", "at least 1 character"),
        ({"prompt": "a\x00b"}, "prompt", "control characters"),
        ({"prompt": "a" * 1001}, "prompt", "at most 1000"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 11}, "n", "less than or equal to 10"),
        ({"n": True}, "n", "integer"),
        ({"size": "big"}, "size", "WIDTHxHEIGHT"),
        ({"size": "15x64"}, "size", "16 to 1792"),
        ({"size": "1793x64"}, "size", "16 to 1792"),
        ({"size": "1792x1792"}, "size", "1,835,008"),
        ({"size": "1024x1024x3"}, "size", "WIDTHxHEIGHT"),
        ({"size": "\u0661\u0660\u0660x100"}, "size", "WIDTHxHEIGHT"),
        ({"quality": "max"}, "quality", "'max'"),
        ({"background": "transparent"}, "background", "'transparent'"),
        ({"output_format": "svg"}, "output_format", "'svg'"),
        ({"output_compression": 50}, "output_compression", "jpeg or webp"),
        ({"output_compression": 101, "output_format": "webp"}, "output_compression", "100"),
        ({"response_format": "file"}, "response_format", "'file'"),
        ({"response_format": "url", "stream": True}, "response_format", "b64_json"),
        ({"partial_images": 2}, "partial_images", "stream"),
        ({"partial_images": 4, "stream": True}, "partial_images", "3"),
        ({"moderation": "low"}, "moderation", "'low'"),
        ({"style": "vivid"}, "style", "cannot be honoured"),
        ({"frame_count": 3}, "frame_count", "cannot be honoured"),
        ({"extra_body": {"seed": 2**32}}, "seed", "4294967295"),
        ({"extra_body": {"seed": "7"}}, "seed", "integer"),
        ({"extra_body": {"steps": 0}}, "steps", "greater than or equal to 1"),
        ({"quality": "low", "extra_body": {"steps": 5}}, "steps", "not both"),
        ({"extra_body": {"colour": "red"}}, "colour", "unknown parameter"),
    ],
)
def test_what_cannot_be_honoured_is_named(
    asking: openai.OpenAI, steady: Server, fields: dict[str, Any], param: str, said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        asking.images.generate(**{"prompt": PROMPT, **fields})
    error = refused.value
    assert (error.param, error.type, error.code) == (param, "invalid_request_error", "invalid_value")
    assert said in error.message
    assert not steady.studio.started


@pytest.mark.parametrize("model", ["gpt-image-2", "storybook@9"])
def test_an_unknown_model_is_not_found(asking: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        asking.images.generate(prompt=PROMPT, model=model)
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")
    assert model in refused.value.message and "known: storybook" in refused.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 60_000, b"\xff"])
def test_a_body_that_is_no_object(steady: Server, body: bytes) -> None:
    answer = httpx.post(
        f"{steady.url}/images/generations", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert (
        answer.json()["error"]["type"] == "invalid_request_error"
        and "JSON" in answer.json()["error"]["message"]
    )


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/json"}, b" " * 70_000, 413),
        ({"Content-Type": "application/json", "Host": "example.org"}, b"{}", 421),
        ({"Content-Type": "application/json", "Origin": "https://example.org"}, b"{}", 403),
    ],
)
def test_what_the_service_refuses_itself_has_the_same_form(
    steady: Server, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = httpx.post(f"{steady.url}/images/generations", content=content, headers=headers)
    assert answer.status_code == status and answer.headers["content-type"] == "application/json"
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_other_calls_keep_problem_documents(steady: Server) -> None:
    for path in ("images/generations", "images/edits"):
        answer = httpx.get(f"{steady.url}/{path}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_full_queue_says_when_to_come_back(client: openai.OpenAI, server: Server) -> None:
    server.fill()
    with pytest.raises(openai.RateLimitError) as refused:
        client.images.generate(prompt=PROMPT)
    assert float(refused.value.response.headers["retry-after"]) >= 1
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "rate_limit_error")


def test_a_failed_job_is_not_drawn_again_by_the_client(server: Server) -> None:
    server.studio.failures = 3
    with server.client(retries=2) as client, pytest.raises(openai.InternalServerError) as failed:
        client.images.generate(prompt=PROMPT)
    assert failed.value.code == "drawing_failed" and "the paint ran out" in failed.value.message
    assert len(server.studio.started) == 3, "one job, tried three times"


@pytest.mark.parametrize("how", ["", "?forget=true"])
def test_a_cancelled_job_says_so(server: Server, how: str) -> None:
    server.studio.gate.clear()
    raised: list[openai.APIError] = []

    def draw() -> None:
        with server.client() as client:
            try:
                client.images.generate(prompt=PROMPT)
            except openai.APIError as error:
                raised.append(error)

    drawing = threading.Thread(target=draw)
    drawing.start()
    job = _first_job(server)
    httpx.delete(f"{server.url}/jobs/{job}{how}")
    drawing.join(30)
    assert isinstance(raised[0], openai.ConflictError) and raised[0].code == "cancelled"
    assert job in raised[0].message


def test_a_picture_that_cannot_be_read_is_not_drawn_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise StorageDown("the picture store does not answer")

    monkeypatch.setattr(server.service, "whole_picture", fail)
    with server.client(retries=2) as client:
        with pytest.raises(openai.InternalServerError, match="is drawn, but the picture store") as unread:
            client.images.generate(prompt=PROMPT)
        assert unread.value.status_code == 503 and len(server.studio.started) == 1
        with pytest.raises(openai.APIError, match="the picture store does not answer"):
            list(client.images.generate(prompt=PROMPT, stream=True))


def test_a_job_that_takes_too_long_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PATIENCE", 0.2)
    server.studio.gate.clear()
    with server.client(retries=2) as client, pytest.raises(openai.InternalServerError) as late:
        client.images.generate(prompt=PROMPT)
    assert (late.value.status_code, late.value.code) == (504, "timeout")
    jobs = httpx.get(f"{server.url}/jobs").json()["jobs"]
    assert [job["id"] for job in jobs] == [late.value.response.headers["limner-job"]], "asked for once"
    assert jobs[0]["state"] in {"queued", "running"}


def test_a_client_that_leaves_does_not_end_its_job(server: Server) -> None:
    server.studio.gate.clear()
    with server.client() as client, pytest.raises(openai.APITimeoutError):
        client.images.generate(prompt=PROMPT, timeout=0.5)
    job = _first_job(server)
    server.studio.gate.set()
    with httpx.stream("GET", f"{server.url}/jobs/{job}/events", timeout=30) as events:
        assert "event: succeeded" in "".join(events.iter_text())


def test_who_comes_back_with_the_same_idempotency_key_gets_the_same_job(server: Server) -> None:
    headers = {"Idempotency-Key": "k1"}
    server.studio.gate.clear()
    with server.client() as client, pytest.raises(openai.APITimeoutError):
        client.images.generate(prompt=PROMPT, timeout=0.5, extra_headers=headers)
    job = _first_job(server)
    server.studio.gate.set()
    with server.client(retries=9) as client:
        answer = client.images.generate(prompt=PROMPT, extra_headers=headers)
        with pytest.raises(openai.BadRequestError, match="another request"):
            client.images.generate(prompt="something else", extra_headers=headers)
    assert answer.data is not None and answer.data[0].model_dump()["limner"]["job"] == job
    assert len(httpx.get(f"{server.url}/jobs").json()["jobs"]) == 1


def _first_job(server: Server) -> str:
    """The one job there is, as soon as it is there."""
    while True:
        jobs = httpx.get(f"{server.url}/jobs").json()["jobs"]
        if jobs:
            return str(jobs[0]["id"])


def test_a_database_that_goes_away_meanwhile_is_no_reason_to_draw_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        raise StorageDown("the database takes no call for now")

    monkeypatch.setattr(routes, "ended", lost)
    with server.client(retries=2) as client, pytest.raises(openai.InternalServerError) as unknown:
        client.images.generate(prompt=PROMPT)
    assert unknown.value.status_code == 503 and "goes on" in unknown.value.message
    jobs = httpx.get(f"{server.url}/jobs").json()["jobs"]
    assert [job["id"] for job in jobs] == [unknown.value.response.headers["limner-job"]], "asked for once"


def test_it_answers_before_openais_clients_give_up() -> None:
    assert float(openai.DEFAULT_TIMEOUT.read or 0) > routes.PATIENCE


@pytest.mark.parametrize(
    ("charset", "name"), [("undefined", "prompt"), ("utf-7", "+2AA-"), ("nothing-known", "prompt")]
)
def test_a_form_in_an_odd_charset_is_read_or_refused(steady: Server, charset: str, name: str) -> None:
    body = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\na cat\r\n--x--\r\n'
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = httpx.post(f"{steady.url}/images/edits", content=body.encode(), headers=kind)
    assert answer.status_code == 400 and answer.json()["error"]["message"]
