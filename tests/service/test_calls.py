from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from limner.service import routes
from limner.service.app import create_app

from .conftest import Await
from .fake_studio import FakeStudio


def ask(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"prompt": "a red apple", **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_job_is_accepted_drawn_and_shown(client: TestClient, until: Await) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a red apple", "seed": 7, "n": 3})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    done = until(job["id"], "succeeded")
    assert [image["seed"] for image in done["images"]] == [7, 8, 9]
    assert [image["index"] for image in done["images"]] == [0, 1, 2]
    assert done["step"] == done["steps"] == 4
    assert done["finished_at"] and done["error"] is None and done["queue_position"] is None


def test_a_shown_request_can_be_sent_again(client: TestClient, until: Await) -> None:
    first = until(ask(client)["id"], "succeeded")
    again = until(client.post("/v1/jobs", json=first["request"]).json()["id"], "succeeded")
    assert again["images"] == first["images"]


def test_seeds_wrap_at_the_top(client: TestClient, until: Await) -> None:
    done = until(ask(client, seed=2**32 - 1, n=2)["id"], "succeeded")
    assert [image["seed"] for image in done["images"]] == [2**32 - 1, 0]


def test_a_picture_is_named_by_its_content_and_kept_for_ever(client: TestClient, until: Await) -> None:
    image = until(ask(client, seed=7)["id"], "succeeded")["images"][0]
    answer = client.get(image["url"])
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert hashlib.sha256(answer.content).hexdigest() == image["id"]
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


def test_a_client_that_has_a_picture_is_told_so(client: TestClient, until: Await) -> None:
    image = until(ask(client, seed=7)["id"], "succeeded")["images"][0]
    first = client.get(image["url"])
    tag = first.headers["etag"]
    assert tag == f'"{image["id"]}"' and int(first.headers["content-length"]) == len(first.content)
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(image["url"], headers={"if-none-match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag and "immutable" in again.headers["cache-control"]
    assert client.get(image["url"], headers={"if-none-match": '"other"'}).content == first.content
    assert client.get(f"/v1/images/{'0' * 64}", headers={"if-none-match": "*"}).status_code == 404


def test_a_large_picture_comes_piece_by_piece_and_is_the_same(
    client: TestClient, until: Await, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask(client)["id"]
    url = until(job, "succeeded")["images"][0]["url"]
    at_once = client.get(url)
    monkeypatch.setattr(routes, "AT_ONCE", 0)
    in_pieces = client.get(url)
    assert in_pieces.content == at_once.content
    changing = ("date", "x-request-id")
    heads = [{k: v for k, v in each.headers.items() if k not in changing} for each in (at_once, in_pieces)]
    assert heads[0] == heads[1]


@pytest.mark.parametrize("name", ["0" * 64, "..%2f..%2flimner.db", "x"])
def test_a_picture_that_is_not_there(client: TestClient, name: str) -> None:
    answer = client.get(f"/v1/images/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_history_is_newest_first_in_pages(client: TestClient, until: Await) -> None:
    made = [ask(client, seed=seed)["id"] for seed in range(3)]
    until(made[-1], "succeeded")
    first = client.get("/v1/jobs?limit=2").json()
    assert [job["id"] for job in first["jobs"]] == [made[2], made[1]]
    rest = client.get(f"/v1/jobs?limit=2&before={first['next']}").json()
    assert [job["id"] for job in rest["jobs"]] == [made[0]]
    assert rest["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x"])
def test_history_says_what_is_wrong(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


def test_cancel_frees_the_engine_and_may_be_repeated(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.gate.clear()
    running, waiting = ask(client)["id"], ask(client)["id"]
    until(running, "running")
    assert client.get(f"/v1/jobs/{waiting}").json()["queue_position"] == 1
    assert client.delete(f"/v1/jobs/{running}").json()["state"] == "cancelled"
    until(waiting, "running")
    assert client.delete(f"/v1/jobs/{running}").json()["state"] == "cancelled"
    studio.gate.set()
    done = until(waiting, "succeeded")
    assert client.delete(f"/v1/jobs/{waiting}").json() == done


def test_a_waiting_job_can_be_cancelled(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.gate.clear()
    until(ask(client)["id"], "running")
    waiting = ask(client)["id"]
    client.delete(f"/v1/jobs/{waiting}")
    studio.gate.set()
    until(ask(client)["id"], "succeeded")
    assert client.get(f"/v1/jobs/{waiting}").json()["images"] == []


def test_the_pictures_of_a_job_are_drawn_at_once(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.gate.clear()
    until(ask(client, n=4, seed=0)["id"], "running")
    for _ in range(500):
        if len(studio.started) == 4:
            break
        time.sleep(0.01)
    assert [request.seed for request in studio.started] == [0, 1, 2, 3]


def test_a_full_queue_says_when_to_come_back(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.gate.clear()
    until(ask(client)["id"], "running")
    for _ in range(3):
        ask(client)
    answer = client.post("/v1/jobs", json={"prompt": "one too many"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_a_failed_picture_is_tried_again(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.failures = 2
    done = until(ask(client)["id"], "succeeded", "failed")
    assert (done["state"], done["attempts"]) == ("succeeded", 3)


def test_a_job_that_keeps_failing_fails_with_its_reason(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.failures = 99
    done = until(ask(client)["id"], "succeeded", "failed")
    assert (done["state"], done["attempts"]) == ("failed", 3)
    assert "the paint ran out" in done["error"]


def test_what_was_drawn_before_a_failure_is_not_drawn_again(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.failures, studio.fail_after = 1, 3
    done = until(ask(client, n=4, seed=0)["id"], "succeeded")
    assert [image["seed"] for image in done["images"]] == [0, 1, 2, 3]
    assert len(studio.started) == 5
    assert done["attempts"] == 2


def test_a_job_that_names_no_model_gets_the_one_that_is_served(tmp_path: Path) -> None:
    app = create_app(tmp_path, FakeStudio(), model="storybook@1")
    with TestClient(app, base_url="http://127.0.0.1") as other:
        assert ask(other)["request"]["model"] == "storybook@1"


def test_models_ideas_health(client: TestClient) -> None:
    model = client.get("/v1/models").json()["models"][0]
    assert model["sizes"] == [{"width": 64, "height": 64}]
    assert model["limits"]["steps"] == [1, 150]
    assert model["small"] is True and model["card"] is None
    ideas = client.get("/v1/ideas?n=3").json()["ideas"]
    assert len(ideas) == 3 and all(ideas)
    assert client.get("/v1/ideas?model=storybook@1").status_code == 200
    unknown = client.get("/v1/ideas?model=nothing")
    assert unknown.status_code == 404 and "nothing" in unknown.json()["detail"]
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json()["parts"] == {
        "database": "ok",
        "pictures": "ok",
        "model": "ok",
        "engine": "ok",
        "drawing": "ok",
    }


def test_openapi_has_examples_and_problem_documents(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["JobRequest"]["examples"] and schemas["JobView"]["examples"]
    refused = document["paths"]["/v1/jobs"]["post"]["responses"]["429"]["content"]
    assert list(refused) == ["application/problem+json"]
    assert schemas["Problem"]["examples"]
    assert "HTTPValidationError" not in str(document)


def test_the_example_request_is_accepted(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    example = document["components"]["schemas"]["JobRequest"]["examples"][0]
    assert client.post("/v1/jobs", json=example).status_code == 202


def test_a_card_is_json_or_a_page(client: TestClient, studio: FakeStudio, tmp_path: Path) -> None:
    studio.folder = tmp_path
    (tmp_path / "card.json").write_text('{"format": 1}', encoding="utf-8")
    card = client.get("/v1/models").json()["models"][0]["card"]
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert client.get(card, headers=accept).json() == {"format": 1}
    (tmp_path / "card.html").write_text('<p style="color: red">97 %</p>', encoding="utf-8")
    assert client.get(card).json() == {"format": 1}
    page = client.get(card, headers=accept)
    assert page.text == '<p style="color: red">97 %</p>' and page.headers["vary"] == "Accept"
    policy = page.headers["content-security-policy"]
    assert (
        "style-src 'unsafe-inline'" in policy
        and "script-src" not in policy
        and "default-src 'none'" in policy
    )
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_card_of_ways_to_draw_alone_is_a_page(
    client: TestClient, studio: FakeStudio, tmp_path: Path
) -> None:
    """As `limner optimize` writes it for a model that was not evaluated."""
    studio.folder = tmp_path
    (tmp_path / "card.html").write_text("<h2>Ways to draw</h2>", encoding="utf-8")
    card = client.get("/v1/models").json()["models"][0]["card"]
    page = client.get(card, headers={"accept": "text/html"})
    assert page.text == "<h2>Ways to draw</h2>" and page.headers["content-type"].startswith("text/html")
    assert client.get("/v1/models/storybook/2/card").status_code == 404


def test_a_service_that_stops_takes_no_more_jobs(client: TestClient) -> None:
    app: Any = client.app
    app.state.service.drain()
    answer = client.post("/v1/jobs", json={"prompt": "a red apple"})
    assert answer.status_code == 503 and "stopping" in answer.json()["detail"]
