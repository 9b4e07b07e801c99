"""Forgetting a job and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, event

from limner.engine.request import DrawRequest
from limner.service.access import Caller
from limner.service.database import open_database
from limner.service.forgetting import forget
from limner.service.jobs import Job

from .access.conftest import As, drawn, keys, known
from .conftest import Await
from .fake_studio import FakeStudio
from .test_pictures import uploaded

__all__ = ["keys", "known"]


def files(folder: Path) -> set[str]:
    return {file.stem for place in ("images", "uploads") for file in (folder / place).glob("??/*.png")}


def test_job_and_pictures_are_gone_from_calls_and_disk(client: TestClient, tmp_path: Path) -> None:
    done, other = drawn(client, seed=1, attention=True), drawn(client, seed=2)
    assert client.delete(f"/v1/jobs/{done['id']}?forget=true").json() == done
    assert client.get(f"/v1/jobs/{done['id']}").status_code == 404
    assert client.get(done["images"][0]["url"]).status_code == 404
    assert files(tmp_path) == {other["images"][0]["id"]}
    assert client.delete(f"/v1/jobs/{done['id']}?forget=true").status_code == 404


def test_what_another_job_shows_or_was_made_from_stays(client: TestClient, tmp_path: Path) -> None:
    first, same = drawn(client, seed=1), drawn(client, seed=1)
    made = drawn(client, seed=2, image=first["images"][0]["id"])
    client.delete(f"/v1/jobs/{first['id']}?forget=true")
    client.delete(f"/v1/jobs/{same['id']}?forget=true")
    assert client.get(first["images"][0]["url"]).status_code == 200
    client.delete(f"/v1/jobs/{made['id']}?forget=true")
    assert files(tmp_path) == set()


def test_what_it_was_made_from_goes_with_the_last_job(client: TestClient, tmp_path: Path) -> None:
    image = uploaded(client)
    made = [drawn(client, seed=seed, image=image)["id"] for seed in (1, 2)]
    client.delete(f"/v1/jobs/{made[0]}?forget=true")
    assert client.get(f"/v1/images/{image}").status_code == 200
    client.delete(f"/v1/jobs/{made[1]}?forget=true")
    assert client.get(f"/v1/images/{image}").status_code == 404 and files(tmp_path) == set()


def test_what_a_job_begins_from_is_put_again_where_it_went_just_before(
    client: TestClient, known: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, service = known("one"), client.app.state.service  # type: ignore[attr-defined]
    image = uploaded(one)
    other, add = drawn(one, seed=1, image=image), service.store.add

    def meanwhile_forgotten(request: DrawRequest, n: int, wait: float, caller: Caller, *rest: Any) -> Job:
        service.forget(other["id"], caller)
        assert not service.has_picture(image, caller)
        return cast("Job", add(request, n, wait, caller, *rest))

    monkeypatch.setattr(service.store, "add", meanwhile_forgotten)
    assert drawn(one, seed=2, image=image)["state"] == "succeeded"
    assert one.get(f"/v1/images/{image}").status_code == 200


def test_a_picture_that_another_key_made_too_stays_theirs(client: TestClient, known: As) -> None:
    mine, theirs = drawn(known("one"), seed=1), drawn(known("other"), seed=1)
    url = theirs["images"][0]["url"]
    known("one").delete(f"/v1/jobs/{mine['id']}?forget=true")
    assert known("one").get(url).status_code == 404
    assert known("other").get(url).status_code == 200
    known("other").delete(f"/v1/jobs/{theirs['id']}?forget=true")
    assert known("admin").get(url).status_code == 404


@pytest.mark.parametrize("waits", [False, True])
def test_one_that_is_not_done_is_cancelled_and_the_next_is_drawn(
    client: TestClient, studio: FakeStudio, until: Await, waits: bool
) -> None:
    def ask(seed: int) -> Any:
        return client.post("/v1/jobs", json={"prompt": "a cat", "seed": seed}).json()["id"]

    studio.gate.clear()
    running = ask(1)
    until(running, "running")
    waiting, last = ask(2), ask(3)
    forgotten = waiting if waits else running
    assert client.delete(f"/v1/jobs/{forgotten}?forget=true").json()["state"] == "cancelled"
    studio.gate.set()
    assert until(last, "succeeded", "failed")["state"] == "succeeded"
    assert client.get(f"/v1/jobs/{forgotten}").status_code == 404
    kept = {found["id"] for found in client.get("/v1/jobs").json()["jobs"]}
    assert kept == {running, waiting, last} - {forgotten}


def test_one_picture_of_several_is_forgotten(client: TestClient, tmp_path: Path) -> None:
    done = drawn(client, seed=1, n=3, attention=True)
    first, gone, last = done["images"]
    for made in (first, gone):
        client.post("/v1/pins", json={"image": made["id"]})
        client.post("/v1/feedback", json={"image": made["id"], "vote": "up"})
    assert client.delete(gone["url"]).status_code == 204
    assert client.get(gone["url"]).status_code == 404
    left = client.get(f"/v1/jobs/{done['id']}").json()
    assert left["images"] == [first, last] and left["state"] == "succeeded"
    assert client.get("/v1/pins").json()["images"] == [first["id"]]
    assert [said["image"] for said in client.get("/v1/feedback").json()["feedback"]] == [first["id"]]
    assert gone["id"] not in files(tmp_path) and {first["id"], last["id"]} <= files(tmp_path)
    assert client.delete(gone["url"]).status_code == 404


def test_a_job_goes_with_its_last_picture_and_what_that_needed(client: TestClient, tmp_path: Path) -> None:
    upload = uploaded(client)
    done = drawn(client, seed=1, image=upload, attention=True)
    again = drawn(client, seed=1, image=upload, attention=True)
    assert again["images"] == done["images"]
    assert client.delete(done["images"][0]["url"]).status_code == 204
    for job in (done, again):
        assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert files(tmp_path) == set()


def test_a_picture_that_was_begun_from_goes_and_what_was_made_of_it_stays(client: TestClient) -> None:
    first = drawn(client, seed=1)["images"][0]
    made = drawn(client, seed=2, image=first["id"])
    assert client.delete(first["url"]).status_code == 204
    assert client.get(first["url"]).status_code == 404
    assert client.get(f"/v1/jobs/{made['id']}").json() == made
    assert client.get(made["images"][0]["url"]).status_code == 200


def test_a_picture_that_a_job_still_needs_is_not_forgotten(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    first = drawn(client, seed=1)["images"][0]
    studio.gate.clear()
    waits = client.post("/v1/jobs", json={"prompt": "a cat", "image": first["id"]}).json()["id"]
    refused = client.delete(first["url"])
    assert refused.status_code == 422 and waits in refused.json()["detail"]
    studio.gate.set()
    until(waits, "succeeded")
    assert client.delete(first["url"]).status_code == 204


def test_an_upload_is_forgotten(client: TestClient, tmp_path: Path) -> None:
    image = uploaded(client)
    assert client.delete(f"/v1/images/{image}").status_code == 204
    assert files(tmp_path) == set() and client.get(f"/v1/images/{image}").status_code == 404


def test_what_came_with_a_picture_goes_with_it_alone(client: TestClient) -> None:
    done = drawn(client, seed=1, attention=True)["images"][0]
    told = done["attention"]["maps"][0]["url"]
    assert client.delete(told).status_code == 422 and client.get(told).status_code == 200


def test_each_key_forgets_its_own_and_an_admin_everybodys(client: TestClient, known: As) -> None:
    one, other = known("one"), known("other")
    url = drawn(one, seed=1)["images"][0]["url"]
    assert drawn(other, seed=1)["images"][0]["url"] == url
    assert known("third").delete(url).status_code == 404
    assert one.delete(url).status_code == 204
    assert one.get(url).status_code == 404 and other.get(url).status_code == 200
    drawn(one, seed=1)
    image = url.rpartition("/")[2]
    assert known("admin").post("/v1/pins", json={"image": image}).status_code == 200
    assert known("admin").post("/v1/feedback", json={"image": image, "vote": "up"}).status_code == 200
    assert known("admin").delete(url).status_code == 204
    assert one.get(url).status_code == other.get(url).status_code == 404
    assert known("admin").get("/v1/pins").json() == {"images": []}
    assert known("admin").get("/v1/feedback").json()["feedback"] == []


def test_all_that_is_looked_for_is_found_by_an_index(client: TestClient, tmp_path: Path) -> None:
    image = uploaded(client)
    done = drawn(client, seed=1, image=image, attention=True)
    engine = open_database(tmp_path / "limner.db")
    plans: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def explain(connection: Connection, cursor: Any, statement: str, values: Any, *rest: object) -> None:
        if statement.split(maxsplit=1)[0] in ("SELECT", "UPDATE", "DELETE"):
            raw = connection.connection.cursor()
            plans.extend(row[-1] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    removed: list[str] = []
    forget(engine, done["id"], removed.append)
    engine.dispose()
    scans = {plan for plan in plans if plan.startswith("SCAN") and "images_with_more" not in plan}
    assert image in removed and len(plans) > 10 and not scans
