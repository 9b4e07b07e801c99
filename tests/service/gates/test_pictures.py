"""Pictures before gates: what one withholds is neither kept nor shown, not even on its way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from limner.errors import Unavailable
from limner.service.access import KeyStore
from limner.service.access.quotas import used_today
from limner.service.app import create_app
from limner.service.events import Feed, Feeds
from limner.service.gates import Gates, Pixels
from limner.service.gates.words import Words
from limner.service.operating import retry

from ..fake_studio import FakeStudio
from ..test_events import read
from .conftest import Guarded
from .test_prompts import counted

RED = 100
"""The fake studio's red is the seed."""


def odd(pixels: Pixels) -> str | None:
    """Withholds pictures of odd seeds."""
    assert pixels.dtype == np.uint8 and pixels.ndim == 3
    return "too odd" if pixels[0, 0, 0] % 2 else None


def broken(pixels: Pixels) -> str | None:
    raise RuntimeError("no")


def drawn(client: TestClient, **fields: Any) -> dict[str, Any]:
    """A job at its end."""
    job = client.post("/v1/jobs", json={"prompt": "a red apple", **fields}).json()
    return events(client, job["id"])[-1]["data"]  # type: ignore[no-any-return]


def events(client: TestClient, job: str) -> list[dict[str, Any]]:
    """What happens to a job until its end."""
    return read(client.get(f"/v1/jobs/{job}/events").text)


class Seeing:
    """A feed of which the steps are noted."""

    def __init__(self, feed: Feed, seen: list[Any]) -> None:
        self._feed, self._seen = feed, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    def publish(self, kind: str, data: Any, picture: int | None = None) -> None:
        """Note a step, and pass all on."""
        self._seen += [data()] if kind == "step" else []
        self._feed.publish(kind, data, picture)


def watch_steps(client: TestClient, seen: list[Any]) -> None:
    """Note what is told of the steps from now on."""
    app: Any = client.app
    feeds: Feeds = app.state.service.feeds
    known = feeds.known

    def seeing(job: str) -> Seeing | None:
        feed = known(job)
        return None if feed is None else Seeing(feed, seen)

    feeds.known = seeing  # type: ignore[method-assign,assignment]


def files(folder: Path) -> list[Path]:
    return [file for name in ("images", "uploads") for file in (folder / name).glob("??/*.png")]


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (level, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_a_withheld_picture_is_named_and_the_others_are_there(guarded: Guarded, tmp_path: Path) -> None:
    client = guarded(Gates(pictures={"odd": odd}))
    done = drawn(client, seed=RED, n=4)
    assert done["state"] == "succeeded" and done["error"] is None
    assert [image["index"] for image in done["images"]] == [0, 2]
    assert done["withheld"] == [{"index": k, "gate": "odd", "reason": "too odd"} for k in (1, 3)]
    assert len(files(tmp_path)) == 2
    assert counted(client, "limner_gate_refusals_total", gate="odd", what="picture") == 2
    assert client.get(f"/v1/jobs/{done['id']}").json()["withheld"] == done["withheld"]


def test_where_all_are_withheld_the_job_has_failed(
    guarded: Guarded, tmp_path: Path, studio: FakeStudio
) -> None:
    done = drawn(guarded(Gates(pictures={"odd": odd})), seed=RED + 1)
    assert done["state"] == "failed" and done["images"] == []
    assert "'odd'" in done["error"] and "too odd" in done["error"]
    assert files(tmp_path) == [] and len(studio.started) == 1


def test_nothing_of_it_is_seen_on_the_way(guarded: Guarded) -> None:
    client, seen = guarded(Gates(pictures={"odd": odd})), list[Any]()
    watch_steps(client, seen)
    job = client.post("/v1/jobs", json={"prompt": "a cat", "seed": RED, "n": 2, "attention": True}).json()[
        "id"
    ]
    told = events(client, job)
    assert [note.preview for note in seen] == [None] * 8
    assert [one["data"]["reason"] for one in told if one["event"] == "withheld"] == ["too odd"]
    assert sorted(one["event"] for one in events(client, job)) == ["image", "succeeded", "withheld"]


def test_without_picture_gates_there_are_previews(guarded: Guarded) -> None:
    client, seen = guarded(Gates({"all": lambda request: None})), list[Any]()
    watch_steps(client, seen)
    job = client.post("/v1/jobs", json={"prompt": "a cat"}).json()["id"]
    assert events(client, job)[-1]["event"] == "succeeded"
    assert [note.preview is not None for note in seen] == [True] * 4


def test_an_upload_passes_the_gate_before_it_is_kept(guarded: Guarded, tmp_path: Path) -> None:
    client = guarded(Gates(pictures={"odd": odd}))
    sent = {"content": png(3), "headers": {"content-type": "image/png"}}
    answer = client.post("/v1/images", **sent)  # type: ignore[arg-type]
    assert answer.status_code == 422 and answer.json()["gate"] == "odd"
    assert files(tmp_path) == []
    assert counted(client, "limner_gate_refusals_total", gate="odd", what="upload") == 1
    edit = client.post("/v1/images/edits", data={"prompt": "a cat"}, files={"image": png(3)})
    assert edit.status_code == 400
    assert edit.json()["error"] | {"message": ""} == {
        "message": "", "type": "image_generation_user_error", "param": "image", "code": "moderation_blocked",
    }  # fmt: skip
    assert files(tmp_path) == []
    assert client.post("/v1/images", content=png(4), headers=sent["headers"]).status_code == 201  # type: ignore[arg-type]


def test_a_gate_that_fails_keeps_uploads_and_pictures_out(guarded: Guarded, tmp_path: Path) -> None:
    client = guarded(Gates(pictures={"mine": broken}))
    answer = client.post("/v1/images", content=png(4), headers={"content-type": "image/png"})
    assert answer.status_code == 503 and "'mine'" in answer.json()["detail"]
    done = drawn(client)
    assert done["state"] == "failed" and "'mine' does not answer" in done["error"]
    assert done["withheld"] == [] and files(tmp_path) == []


@pytest.mark.parametrize("stream", [False, True])
def test_openais_clients_are_told_what_is_withheld(guarded: Guarded, stream: bool) -> None:
    client = guarded(Gates(pictures={"odd": odd}))
    asked = {"prompt": "a cat", "seed": RED + 1, "stream": stream}
    answer = client.post("/v1/images/generations", json=asked)
    if stream:
        assert answer.status_code == 200 and '"code": "moderation_blocked"' in answer.text
        assert "partial_image" not in answer.text and "completed" not in answer.text
    else:
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "moderation_blocked"
        assert answer.headers["x-should-retry"] == "false"


def test_openais_clients_get_those_that_are_not_withheld(guarded: Guarded) -> None:
    client = guarded(Gates(pictures={"odd": odd}))
    answer = client.post("/v1/images/generations", json={"prompt": "a cat", "seed": RED, "n": 2})
    assert answer.status_code == 200 and len(answer.json()["data"]) == 1
    assert answer.json()["withheld"] == [{"index": 1, "gate": "odd", "reason": "too odd"}]


def test_a_withheld_picture_is_paid_for(guarded: Guarded) -> None:
    client = guarded(Gates(pictures={"odd": odd}))
    app: Any = client.app
    keys: KeyStore = app.state.service.keys
    _, secret = keys.create("phone", ["draw", "read"])
    key = {"Authorization": f"Bearer {secret}"}
    client.headers.update(key)
    done = drawn(client, seed=RED + 1)
    assert done["state"] == "failed"
    assert list(used_today(keys.engine).values()) == [pytest.approx(64 * 64 * 4 / 1e6)]


def test_a_job_that_is_tried_again_is_looked_at_again(guarded: Guarded, tmp_path: Path) -> None:
    verdict: list[str | None] = ["no"]
    client = guarded(Gates(pictures={"mine": lambda pixels: verdict[0]}))
    done = drawn(client, seed=4)
    assert done["state"] == "failed"
    verdict[0] = None
    app: Any = client.app
    retry(app.state.service.keys.engine, done["id"])
    app.state.service.runner.look()
    again = events(client, done["id"])[-1]["data"]
    assert again["state"] == "succeeded" and again["withheld"] == [] and len(files(tmp_path)) == 1


def test_what_was_drawn_before_the_gate_is_looked_at_before_it_is_told_again(
    guarded: Guarded, tmp_path: Path
) -> None:
    app = create_app(tmp_path, FakeStudio(), drain_seconds=0.2)
    with TestClient(app, base_url="http://127.0.0.1:8000") as open_to_all:
        before = drawn(open_to_all, seed=RED + 1)
        assert drawn(open_to_all, seed=RED + 1)["images"] == before["images"]
    client = guarded(Gates(pictures={"odd": odd}))
    assert drawn(client, seed=RED + 1)["withheld"]
    again = drawn(client, seed=RED)
    assert drawn(client, seed=RED)["images"] == again["images"] and not again["withheld"]


def test_a_refused_prompt_gets_no_picture_that_was_drawn_before(guarded: Guarded, tmp_path: Path) -> None:
    app = create_app(tmp_path, FakeStudio(), drain_seconds=0.2)
    with TestClient(app, base_url="http://127.0.0.1:8000") as open_to_all:
        drawn(open_to_all, seed=1)
    client = guarded(Gates({"words": Words(["apple"])}))
    assert client.post("/v1/jobs", json={"prompt": "a red apple", "seed": 1}).status_code == 422


class Crowded:
    """Places that are all taken for a while."""

    def __init__(self, turns: int) -> None:
        self.turns = turns

    def acquire(self, timeout: float) -> bool:
        """Whether there was one."""
        self.turns -= 1
        return self.turns < 0

    def release(self) -> None:
        """Give it back."""


def test_a_drawn_picture_waits_for_its_turn_and_an_upload_does_not_for_long() -> None:
    asked: list[int] = []

    def slow(pixels: Pixels) -> str | None:
        asked.append(1)
        return None

    gates = Gates(pictures={"slow": slow})
    (guarded,) = gates._pictures
    guarded._places = Crowded(3)  # type: ignore[assignment]
    gates.check_picture(np.zeros((8, 8, 3), np.uint8), "picture")
    assert asked == [1]
    guarded._places = Crowded(1)  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="'slow' does not answer"):
        gates.check_picture(np.zeros((8, 8, 3), np.uint8), "upload")
    assert asked == [1]
