from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from limner.service.bodies import MAX_BODY


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"prompt": ""}, "prompt", "1 to 1000"),
        ({"prompt": " \n "}, "prompt", "1 to 1000"),
        ({"prompt": "a" * 10_000}, "prompt", "1 to 1000"),
        ({"prompt": "a\u0000b"}, "prompt", "control characters"),
        ({"prompt": "a\u001b[2Jb"}, "prompt", "control characters"),
        ({"prompt": "\ud800"}, "prompt", "1 to 1000"),
        ({"prompt": None}, "prompt", "1 to 1000"),
        ({"negative_prompt": "a" * 1001}, "negative_prompt", "up to 1000"),
        ({"steps": 0}, "steps", "1 to 150"),
        ({"steps": 1_000_000}, "steps", "1 to 150"),
        ({"steps": 1.5}, "steps", "1 to 150"),
        ({"steps": True}, "steps", "1 to 150"),
        ({"seed": "seven"}, "seed", "0 to 4294967295"),
        ({"seed": "7"}, "seed", "0 to 4294967295"),
        ({"seed": -1}, "seed", "0 to 4294967295"),
        ({"seed": 2**32}, "seed", "0 to 4294967295"),
        ({"guidance_scale": float("nan")}, "guidance_scale", "1 to 30"),
        ({"guidance_scale": 0.5}, "guidance_scale", "1 to 30"),
        ({"n": 9}, "n", "1 to 8"),
        ({"width": 65}, "width", "64x64"),
        ({"width": 0}, "width", "64x64"),
        ({"width": 100_000, "model": "storybook@1"}, "width", "64x64"),
        ({"height": 10**9}, "height", "64x64"),
        ({"model": "storybok"}, "model", "storybook"),
        ({"model": "../../etc"}, "model", "storybook"),
        ({"model": "/etc"}, "model", "storybook"),
        ({"colour": "red"}, "colour", "guidance_scale"),
    ],
)
def test_a_wrong_field_is_named_with_what_it_allows(
    client: TestClient, fields: dict[str, Any], field: str, said: str
) -> None:
    body = json.dumps({"prompt": "a red apple", **fields})
    answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == 422 and document["title"] and document["detail"]
    assert document["errors"][0]["field"] == field
    assert said in document["errors"][0]["allowed"]


def test_a_copy_of_a_wrong_size_is_told_the_sizes_of_copies(client: TestClient) -> None:
    answer = client.get(f"/v1/images/{'0' * 64}/copy?size=4000x4000")
    (error,) = answer.json()["errors"]
    assert answer.status_code == 422 and error["field"] == "size"
    assert "16 to 1792 px" in error["allowed"] and error["message"].endswith(error["allowed"])


def test_a_whole_number_may_be_written_with_a_point(client: TestClient) -> None:
    body = b'{"prompt": "a", "seed": 7.0, "steps": 2e0, "n": 1.0}'
    answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 202 and answer.json()["request"]["seed"] == 7


def test_a_missing_prompt(client: TestClient) -> None:
    assert client.post("/v1/jobs", json={}).json()["errors"][0]["field"] == "prompt"


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"{'prompt': 1}", b"\xff\xfe", b'{"seed": 1' + b"0" * 5000 + b"}"],
)
def test_broken_json(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"[]", b'{"\\ud800": 1}', b'"a"', b"7", b"null", b"[" * 30_000])
def test_json_that_is_not_a_plain_object(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_large_body(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a" * MAX_BODY})
    assert answer.status_code == 413


def test_a_large_body_that_does_not_say_its_length(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b"a" * 1024

    answer = client.post("/v1/jobs", content=parts(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"],
)
def test_a_body_of_another_type(client: TestClient, kind: str) -> None:
    answer = client.post("/v1/jobs", content=b'{"prompt": "a"}', headers={"content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("path", ["/nowhere", "/v1/jobs/none", "/v1/jobs/none/events", "/pages/../app.py"])
def test_what_is_not_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("POST", "/v1/jobs/x", "GET, DELETE"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/pages/main.js", "GET, HEAD"),
    ],
)
def test_a_wrong_method(client: TestClient, method: str, path: str, allow: str) -> None:
    for content in (b"{}", b"nothing that is JSON"):
        answer = client.request(method, path, content=content)
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/healthz", "/", "/v1/jobs", "/v1/models", "/pages/main.js", "/nowhere"])
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert head.status_code == whole.status_code and not head.content and whole.content
    for name in ("content-type", "content-length"):
        assert head.headers.get(name) == whole.headers.get(name)


def test_head_of_events_and_of_what_is_not_read_is_refused(client: TestClient) -> None:
    assert client.head("/v1/jobs/none/events").status_code == 405
    assert client.head("/v1/images/generations").status_code in (404, 405)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "0.0.0.0:8000"],
)
def test_a_foreign_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/v1/jobs", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1", "[::1]:8000"])
def test_this_machine_is_let_in(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://localhost:8000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_cannot_start_work(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/jobs", json={"prompt": "a"}, headers=headers).status_code == 403
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_the_own_page_can(client: TestClient) -> None:
    headers = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert client.post("/v1/jobs", json={"prompt": "a"}, headers=headers).status_code == 202


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nowhere", "/v1/images/x"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_is_asked_for_anew_each_time(client: TestClient) -> None:
    for path in ("/", "/pages/main.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
