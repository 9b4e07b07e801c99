from __future__ import annotations

import asyncio
import json
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from limner.engine.request import DrawRequest, Stepped
from limner.service.app import create_app
from limner.service.events import Feed, Feeds

from .conftest import Await
from .fake_studio import FakeStudio
from .running import running
from .test_calls import ask


class Note(BaseModel):
    k: int = 0


def read(text: str) -> list[dict[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        if block.startswith(":"):  # a heartbeat
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append(
            {
                "id": int(fields["id"]),
                "event": fields["event"],
                "data": json.loads(fields["data"]),
            }
        )
    return found


def test_a_job_is_followed_to_its_end(tmp_path: Path, studio: FakeStudio) -> None:
    """It takes a step when the one before has been heard."""
    studio.permits = threading.Semaphore(1)
    lines: list[str] = []
    with running(create_app(tmp_path, studio)) as url, httpx.Client(base_url=url, timeout=60) as client:
        job = client.post("/v1/jobs", json={"prompt": "a red apple", "n": 2, "seed": 7}).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                lines.append(line)
                if line in ("event: step", "event: image"):
                    studio.permits.release()
        told = client.get(f"/v1/jobs/{job}").json()
    events = read("\n".join(lines))
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    steps = [event["data"] for event in events if event["event"] == "step"]
    assert {step["image"] for step in steps} == {0, 1}
    assert steps[0]["steps"] == 4 and steps[0]["preview"].startswith("data:image/png;base64,")
    images = [event["data"] for event in events if event["event"] == "image"]
    assert sorted(image["seed"] for image in images) == [7, 8]
    assert events[-1]["event"] == "succeeded"
    assert events[-1]["data"] == told


def test_a_done_job_is_told_again_and_then_no_more(client: TestClient, until: Await) -> None:
    job = ask(client)["id"]
    until(job, "succeeded")
    events = read(client.get(f"/v1/jobs/{job}/events").text)
    assert [event["event"] for event in events] == ["image", "succeeded"]
    rest = client.get(f"/v1/jobs/{job}/events", headers={"last-event-id": str(events[0]["id"])})
    assert [event["event"] for event in read(rest.text)] == ["succeeded"]
    last = {"last-event-id": str(events[-1]["id"])}
    assert client.get(f"/v1/jobs/{job}/events", headers=last).status_code == 204
    assert client.get(f"/v1/jobs/{job}/events", headers={"last-event-id": "x"}).status_code == 200


def test_who_saw_the_end_live_is_told_nothing_again(client: TestClient, studio: FakeStudio) -> None:
    studio.seconds_a_step = 0.02
    job = ask(client, n=8)["id"]
    live = read(client.get(f"/v1/jobs/{job}/events").text)
    assert live[-1]["event"] == "succeeded"
    again = client.get(f"/v1/jobs/{job}/events", headers={"last-event-id": str(live[-1]["id"])})
    assert again.status_code == 204


def test_who_lost_the_stream_just_before_the_end_still_hears_it(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.seconds_a_step = 0.02  # ids follow the clock, which many steps in a millisecond would pass
    job = ask(client, n=2)["id"]
    live = read(client.get(f"/v1/jobs/{job}/events").text)
    until(job, "succeeded")
    last = [event["id"] for event in live if event["event"] == "image"][-1]
    rest = client.get(f"/v1/jobs/{job}/events", headers={"last-event-id": str(last)})
    assert [event["event"] for event in read(rest.text)] == ["succeeded"]


def test_a_second_client_between_the_end_and_its_telling_leaves_it_to_the_first(client: TestClient) -> None:
    service = cast(FastAPI, client.app).state.service
    service.runner.drain(60)
    service.runner.join()
    service.feeds = Feeds()
    job = service.store.add(DrawRequest(prompt="a red apple", seed=1, steps=4), 1).id
    first = service.feeds.of(job)
    service.store.cancel(job)
    client.get(f"/v1/jobs/{job}/events")
    messages, over = first.after(0)
    assert over and [message.kind for message in messages] == ["cancelled"]


def test_cancelling_ends_the_stream(client: TestClient, studio: FakeStudio, until: Await) -> None:
    studio.gate.clear()
    job = ask(client)["id"]
    until(job, "running")
    client.delete(f"/v1/jobs/{job}")
    assert read(client.get(f"/v1/jobs/{job}/events").text)[-1]["event"] == "cancelled"


def test_a_step_that_comes_late_makes_no_feed_anew(
    client: TestClient, studio: FakeStudio, until: Await
) -> None:
    studio.gate.clear()
    job = ask(client)["id"]
    until(job, "running")
    service = cast(FastAPI, client.app).state.service
    running = service.runner._running[job]
    client.delete(f"/v1/jobs/{job}")
    deadline = time.monotonic() + 30
    while service.feeds.known(job) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    service.runner._stepped(running, 0, Stepped(1, 4, None))
    assert service.feeds.known(job) is None


def test_a_feed_keeps_only_what_a_late_client_needs() -> None:
    feed = Feed(start=0)
    feed.publish("queued", Note(k=1))
    for k in range(1000):
        feed.publish("step", Note(k=k), picture=k % 2)
    assert [(m.kind, m.id) for m in feed.after(0)[0]] == [
        ("step", 1000),
        ("step", 1001),
    ]
    feed.publish("image", Note(), picture=0)
    assert [m.kind for m in feed.after(0)[0]] == ["step", "image"]
    assert [m.id for m in feed.after(1001)[0]] == [1002]


def test_what_nobody_hears_is_not_made_and_what_several_hear_is_made_once() -> None:
    made = []

    def note(k: int) -> Note:
        made.append(k)
        return Note(k=k)

    feed = Feed(start=0)
    for k in range(3):
        feed.publish("step", partial(note, k), picture=0)
    assert made == []
    for _ in range(2):
        assert [m.encode() for m in feed.after(0)[0]] == [b'id: 3\nevent: step\ndata: {"k":2}\n\n']
    assert made == [2]


def test_a_cursor_of_an_unknown_future_sees_all() -> None:
    feed = Feed(start=0)
    feed.publish("queued", Note())
    assert feed.resume_from("1") == 1
    assert feed.resume_from("99") == feed.resume_from(None) == feed.resume_from("-1") == 0


def test_silence_is_filled_with_heartbeats_and_closing_ends_it() -> None:
    async def follow() -> list[bytes]:
        feeds = Feeds()
        feed = feeds.of("a")
        parts = []
        async for part in feed.follow(0, heartbeat=0.01):
            parts.append(part)
            if len(parts) == 2:
                feeds.close()
        return parts

    assert asyncio.run(follow()) == [b": still here\n\n"] * 2


def test_a_feed_made_after_closing_ends_at_once() -> None:
    feeds = Feeds()
    feeds.close()
    assert feeds.of("late").after(0) == ([], True)
