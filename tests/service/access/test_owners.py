"""What belongs to whom: every call of the service, asked with the ids of somebody else's things."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from starlette.routing import BaseRoute

from limner.service.access import KeyStore

from ..fake_studio import FakeStudio
from .conftest import As, drawn, with_key


@dataclass(frozen=True)
class Attack:
    """A call with another key's ids: in its address, query and bodies `{job}`, `{image}` and `{upload}` stand for them.

    It is refused with one of `refused`, or, where that is empty, answered without a trace of them.
    """

    query: str = ""
    bodies: tuple[dict[str, Any], ...] = ()
    refused: tuple[int, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


NOT_THERE = Attack(refused=(404,))
OWN_ONLY = Attack()
NOBODYS = Attack()
"""Of calls that tell the same to everybody."""
FORM_ONLY = Attack(bodies=({"prompt": "a cat", "image": "{image}"},), refused=(415,))
"""Of calls that take files and no ids."""
CALLS: dict[tuple[str, str], tuple[Attack, ...]] = {
    ("GET", "/"): (NOBODYS,),
    ("GET", "/pages"): (NOBODYS,),
    ("GET", "/pages/language.json"): (NOBODYS,),
    ("GET", "/openapi.json"): (NOBODYS,),
    ("GET", "/healthz"): (NOBODYS,),
    ("GET", "/readyz"): (NOBODYS,),
    ("GET", "/metrics"): (Attack(refused=(403,)),),
    ("GET", "/v1/admin/status"): (Attack(refused=(403,)),),
    ("GET", "/v1/models"): (NOBODYS,),
    ("GET", "/v1/models/{model}"): (NOBODYS,),
    ("GET", "/v1/models/{name}/{version}/card"): (Attack(refused=(404,)),),
    ("GET", "/v1/ideas"): (NOBODYS,),
    ("POST", "/v1/jobs"): (
        Attack(
            bodies=tuple(
                {"prompt": "a cat"} | which
                for which in (
                    {"image": "{image}"},
                    {"image": "{upload}"},
                    {"image": "{own}", "mask": "{image}"},
                    {"image": "{own}", "mask": "{upload}"},
                    {"derived_from": "{image}"},
                    {"derived_from": "{upload}"},
                )
            ),
            refused=(422,),
        ),
    ),
    ("GET", "/v1/jobs"): (
        OWN_ONLY,
        Attack("?before={job}", refused=(404,)),
        Attack("?search=secret&made_from={image}"),
        Attack("?pinned=true"),
        Attack("?mine=true"),
    ),
    ("GET", "/v1/jobs/{job_id}"): (NOT_THERE,),
    ("DELETE", "/v1/jobs/{job_id}"): (NOT_THERE, Attack("?forget=true", refused=(404,))),
    ("GET", "/v1/jobs/{job_id}/events"): (NOT_THERE, Attack(refused=(404,), headers={"last-event-id": "1"})),
    ("POST", "/v1/images"): (OWN_ONLY,),
    ("GET", "/v1/images/{image_id}"): (NOT_THERE,),
    ("DELETE", "/v1/images/{image_id}"): (NOT_THERE, Attack("?mine=true", refused=(404,))),
    ("GET", "/v1/images/{image_id}/copy"): (NOT_THERE, Attack("?size=32x32&format=webp", refused=(404,))),
    ("POST", "/v1/images/generations"): (
        Attack(bodies=({"prompt": "a cat", "image": "{image}"},), refused=(400,)),
    ),
    ("GET", "/v1/admin/keys"): (Attack(refused=(403,)),),
    ("POST", "/v1/session"): (Attack(bodies=({"key": "{job}"}, {"key": "limner_{job}"}), refused=(401,)),),
    ("GET", "/v1/session"): (OWN_ONLY,),
    ("DELETE", "/v1/session"): (OWN_ONLY,),
    ("POST", "/v1/images/edits"): (FORM_ONLY,),
    ("POST", "/v1/images/variations"): (FORM_ONLY,),
    ("POST", "/v1/feedback"): (
        Attack(
            bodies=({"image": "{image}", "vote": "up"}, {"image": "{image}", "over": "{image}"}),
            refused=(422,),
        ),
    ),
    ("GET", "/v1/feedback"): (
        OWN_ONLY,
        Attack("?image={image}"),
        Attack("?before={feedback}", refused=(404,)),
    ),
    ("DELETE", "/v1/feedback/{feedback_id}"): (NOT_THERE,),
    ("GET", "/v1/pins"): (OWN_ONLY,),
    ("POST", "/v1/pins"): (Attack(bodies=({"image": "{image}"},), refused=(422,)),),
    ("DELETE", "/v1/pins/{image_id}"): (NOT_THERE,),
    ("POST", "/api/v1.0/bird"): (Attack(bodies=({"caption": "a bird"},), refused=(404,)),),
}


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and address of every call that the application answers."""

    def inside(found: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
        for route in found:
            included = getattr(route, "original_router", None)
            if included is not None:
                yield from inside(included.routes, prefix + route.include_context.prefix)  # type: ignore[attr-defined]
                continue
            path: str = prefix + route.path  # type: ignore[attr-defined]
            for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}:
                yield method, path

    return inside(app.routes)


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


def sent(client: TestClient, colour: str) -> str:
    answer = client.post("/v1/images", content=png(colour), headers={"content-type": "image/png"})
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_no_call_reaches_for_anothers_things(client: TestClient, known: As, studio: FakeStudio) -> None:
    one, other = known("one"), known("other")
    done = drawn(one, seed=3)
    images = [image["id"] for image in done["images"]]
    upload, own = sent(one, "red"), sent(other, "blue")
    studio.gate.clear()
    waiting = one.post("/v1/jobs", json={"prompt": "a secret"}).json()["id"]
    app: Any = client.app
    assert one.post("/v1/pins", json={"image": images[0]}).status_code == 200
    said = one.post("/v1/feedback", json={"image": images[0], "vote": "up"}).json()["id"]
    names = {
        "{feedback}": said,
        "{feedback_id}": said,
        "{upload}": upload,
        "{own}": own,
        "{name}": "storybook",
        "{version}": "1",
        "{model}": "storybook",
    }
    tried = successes = 0
    for method, path in routes(app):
        for attack in CALLS[method, path]:
            for job, image in [(done["id"], images[0]), (waiting, upload)]:
                filled = names | {"{job}": job, "{job_id}": job, "{image}": image, "{image_id}": image}
                for body in attack.bodies or (None,):
                    answer = other.request(
                        method,
                        _with(path + attack.query, filled),
                        headers=attack.headers
                        | ({"content-type": "image/png"} if path == "/v1/images" else {}),
                        **(
                            {"content": png("green")}
                            if path == "/v1/images" and method == "POST"
                            else {}
                            if body is None
                            else {"json": {k: _with(v, filled) for k, v in body.items()}}
                        ),
                    )
                    tried += 1
                    told = {id for id in (done["id"], waiting, *images, upload, said) if id in answer.text}
                    if attack.refused:
                        assert answer.status_code in attack.refused, (method, path, body, answer.text)
                        told -= {job, image, upload, said}  # what is refused may be named
                    successes += bool(told)
                    assert not told, (method, path, answer.text)
    assert tried > len(CALLS) and successes == 0
    assert one.get(f"/v1/jobs/{waiting}").json()["state"] in {"queued", "running"}
    studio.gate.set()
    assert one.get(f"/v1/jobs/{done['id']}").json() == done
    assert one.get(f"/v1/images/{images[0]}").status_code == 200


def _with(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def test_whats_refused_reads_as_if_it_were_not_there(client: TestClient, known: As) -> None:
    done = drawn(known("one"))
    for there, nowhere in [
        (f"/v1/jobs/{done['id']}", "/v1/jobs/none"),
        (done["images"][0]["url"], "/v1/images/none"),
    ]:
        first, second = known("other").get(there), known("other").get(nowhere)
        assert first.json() | {"detail": ""} == second.json() | {"detail": ""}
        assert first.headers.keys() == second.headers.keys()


def test_the_same_picture_drawn_for_two_is_seen_by_both(client: TestClient, known: As) -> None:
    one, other = drawn(known("one"), seed=9), drawn(known("other"), seed=9)
    assert one["images"][0]["id"] == other["images"][0]["id"] and one["id"] != other["id"]
    for name in ("one", "other"):
        assert known(name).get(one["images"][0]["url"]).status_code == 200
    assert known("third").get(one["images"][0]["url"]).status_code == 404


def test_everybody_has_their_own_history(client: TestClient, known: As) -> None:
    mine = [drawn(known("one"))["id"] for _ in range(2)]
    theirs = drawn(known("other"))["id"]
    assert [job["id"] for job in known("one").get("/v1/jobs").json()["jobs"]] == mine[::-1]
    assert [job["id"] for job in known("other").get("/v1/jobs").json()["jobs"]] == [theirs]
    page = known("one").get("/v1/jobs?limit=1").json()
    assert page["next"] == mine[1]
    rest = known("one").get(f"/v1/jobs?limit=1&before={mine[1]}").json()
    assert [job["id"] for job in rest["jobs"]] == [mine[0]] and rest["next"] is None


def test_an_admin_sees_and_cancels_everybodys(client: TestClient, known: As, studio: FakeStudio) -> None:
    studio.gate.clear()
    job = known("one").post("/v1/jobs", json={"prompt": "a cat"}).json()["id"]
    assert [found["id"] for found in known("admin").get("/v1/jobs").json()["jobs"]] == [job]
    assert known("admin").delete(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    studio.gate.set()
    done = drawn(known("one"))
    assert known("admin").get(done["images"][0]["url"]).status_code == 200


def test_what_was_made_before_there_were_keys_is_the_admins(client: TestClient, known: As) -> None:
    before = drawn(client)
    assert known("one").get(f"/v1/jobs/{before['id']}").status_code == 404
    assert known("admin").get(f"/v1/jobs/{before['id']}").status_code == 200
    assert known("admin").get(before["images"][0]["url"]).status_code == 200


def test_an_admin_may_ask_for_their_own_alone(client: TestClient, known: As) -> None:
    before = drawn(client, seed=8)
    theirs, own = drawn(known("one"), seed=9), drawn(known("admin"), seed=9)
    admin, image = known("admin"), own["images"][0]["id"]
    assert [job["id"] for job in admin.get("/v1/jobs?mine=true").json()["jobs"]] == [own["id"], before["id"]]
    assert admin.delete(f"/v1/images/{image}?mine=true").status_code == 204
    assert known("one").get(f"/v1/jobs/{theirs['id']}").json() == theirs
    assert admin.delete(f"/v1/images/{image}?mine=true").status_code == 404
    assert admin.delete(f"/v1/images/{before['images'][0]['id']}?mine=true").status_code == 204
    assert admin.delete(f"/v1/images/{image}").status_code == 204
    assert known("one").get(f"/v1/jobs/{theirs['id']}").status_code == 404


def test_keys_of_one_owner_share_what_they_make(client: TestClient, keys: KeyStore, known: As) -> None:
    done = drawn(known("one"))
    _, secret = keys.create("screen", ["read"], owner_of="one")
    screen = with_key(client, secret)
    assert screen.get(done["images"][0]["url"]).status_code == 200
    assert screen.get("/v1/jobs").json()["jobs"][0]["id"] == done["id"]


@pytest.mark.parametrize("seed", [4, 5])
def test_a_picture_of_ones_own_may_be_worked_on(client: TestClient, known: As, seed: int) -> None:
    first = drawn(known("one"), seed=seed)
    again = drawn(known("one"), image=first["images"][0]["id"])
    assert again["state"] == "succeeded"


def test_what_comes_with_a_picture_is_its_owners(client: TestClient, known: As) -> None:
    done = drawn(known("one"), attention=True)
    (told,) = done["images"][0]["attention"]["maps"]
    assert known("one").get(told["url"]).status_code == 200
    assert known("other").get(told["url"]).status_code == 404
