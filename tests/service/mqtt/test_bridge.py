"""Devices that ask by way of a real broker, with TLS and passwords."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from PIL import Image

from limner.errors import StorageDown
from limner.service.access import EVERYBODY
from limner.service.access.quotas import used_today
from limner.service.app import create_app
from limner.service.gates import Gates
from limner.service.gates.words import Words
from limner.service.mqtt.broker import Broker
from limner.service.mqtt.inbox import Inbox
from limner.service.service import Service
from limner.service.storage import StorageOptions
from tests.service.fake_studio import FakeStudio

from .mosquitto import PASSWORDS, Mosquitto


class Device:
    """A lamp: publishes what it asks, remembers what it is told."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.events: list[dict[str, Any]] = []
        self.pictures: dict[str, bytes] = {}

    async def ask(self, **fields: Any) -> None:
        """Publish a request."""
        await self.publish(json.dumps({"prompt": "a red apple", **fields}).encode())

    async def publish(self, payload: bytes) -> None:
        """Publish bytes where requests go."""
        await self._client.publish("limner/requests/lamp", payload, qos=1)

    async def until(self, *kinds: str) -> dict[str, Any]:
        """The next event of one of these kinds."""
        async with asyncio.timeout(60):
            async for message in self._client.messages:
                assert not message.retain and message.qos == 1
                assert isinstance(message.payload, bytes)
                if message.topic.matches("limner/images/#"):
                    self.pictures[str(message.topic)] = message.payload
                    continue
                event: dict[str, Any] = json.loads(message.payload)
                self.events.append(event)
                if event["event"] in kinds:
                    return event
        raise AssertionError


@asynccontextmanager
async def device(broker: Mosquitto, trust: ssl.SSLContext) -> AsyncIterator[Device]:
    async with aiomqtt.Client(
        "localhost", broker.port, username="lamp", password=PASSWORDS["lamp"], tls_context=trust
    ) as client:
        for topic in ("limner/events/lamp", "limner/images/lamp/#"):
            await client.subscribe(topic, qos=1)
        yield Device(client)


@asynccontextmanager
async def serving(
    folder: Path,
    studio: FakeStudio,
    address: Broker,
    limit: int = 64,
    ready: bool = True,
    gates: Gates | None = None,
    database: str | None = None,
) -> AsyncIterator[Service]:
    """The application with its bridge, without HTTP."""
    app = create_app(
        folder,
        studio,
        queue_limit=limit,
        parallel=1,
        drain_seconds=0.05,
        broker=address,
        gates=gates,
        storage=StorageOptions(
            database=database, images=None if database is None else str(folder.parent / "pictures")
        ),
    )
    async with app.router.lifespan_context(app):
        if ready:
            async with asyncio.timeout(60):
                await app.state.bridge.ready.wait()
        yield app.state.service


def run(what: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(what())


def test_a_device_gets_progress_and_its_pictures(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    studio = FakeStudio()
    studio.permits = permits = threading.Semaphore(1)  # it takes a step when the one before has been heard

    async def go() -> None:
        async with serving(tmp_path, studio, address), device(broker, trust) as lamp:
            await lamp.ask(id="first", seed=7, n=2)
            heard = ("step", "image")
            while (done := await lamp.until(*heard, "succeeded", "problem"))["event"] in heard:
                permits.release()
            assert done["request"] == "first" and done["data"]["state"] == "succeeded"
            kinds = [event["event"] for event in lamp.events]
            assert kinds[0] == "accepted" and "step" in kinds and kinds.count("image") == 2
            assert sorted(lamp.pictures) == [f"limner/images/lamp/first/{k}" for k in range(2)]
            picture = Image.open(io.BytesIO(lamp.pictures["limner/images/lamp/first/0"]))
            assert picture.getpixel((0, 0)) == (7, 0, 99)

    run(go)


def test_a_request_that_comes_twice_is_drawn_once_and_told_again(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    studio = FakeStudio()

    async def go() -> None:
        async with serving(tmp_path, studio, address) as service, device(broker, trust) as lamp:
            for _ in range(2):
                await lamp.ask(id="once")
            await lamp.until("succeeded")
            await lamp.ask(id="once")
            again = await lamp.until("succeeded")
            assert again["request"] == "once"
            assert len(service.store.page(10)) == 1
        async with serving(tmp_path, studio, address) as service, device(broker, trust) as lamp:
            await lamp.ask(id="once")
            await lamp.until("succeeded")
            assert len(service.store.page(10)) == 1

    run(go)
    assert len(studio.started) == 1


def test_a_request_whose_job_is_forgotten_is_not_drawn_again(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    studio = FakeStudio()

    async def go() -> None:
        async with serving(tmp_path, studio, address) as service, device(broker, trust) as lamp:
            await lamp.ask(id="once")
            await lamp.until("succeeded")
            (job,) = service.store.page(10)
            await asyncio.to_thread(service.forget, job.id, EVERYBODY)
            for _ in range(2):
                lamp.events.clear()
                await lamp.ask(id="once")
                assert (await lamp.until("problem", "succeeded"))["data"]["status"] == 404
                assert [event["event"] for event in lamp.events] == ["problem"]

    run(go)
    assert len(studio.started) == 1


@pytest.mark.parametrize(
    ("payload", "request_id", "status", "field"),
    [
        (b"", None, 400, None),
        (b"{", None, 400, None),
        (b"\xff\xfe", None, 400, None),
        (b"[]", None, 422, "message"),
        (b'{"prompt": "a"}', None, 422, "id"),
        (b'{"id": "a/b", "prompt": "a"}', None, 422, "id"),
        (b'{"id": "a"}', "a", 422, "prompt"),
        (b'{"id": "a", "prompt": "a", "steps": 0}', "a", 422, "steps"),
        (b'{"id": "a", "prompt": "a", "colour": 1}', "a", 422, "colour"),
        (b'{"id": "a", "prompt": "a", "model": "nothing"}', "a", 422, "model"),
        (b'{"id": "a", "prompt": "a", "image": "' + b"0" * 64 + b'"}', "a", 422, "image"),
        (b"[" * 60_000, None, 400, None),
        (b" " * 70_000, None, 413, None),
    ],
)
def test_bad_requests_are_answered_with_a_problem(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext,
    payload: bytes, request_id: str | None, status: int, field: str | None,
) -> None:  # fmt: skip
    async def go() -> None:
        async with serving(tmp_path, FakeStudio(), address), device(broker, trust) as lamp:
            await lamp.publish(payload)
            told = await lamp.until("problem")
            assert told["request"] == request_id and told["data"]["status"] == status
            named = [error["field"] for error in told["data"]["errors"]]
            assert named == ([] if field is None else [field])
            await lamp.ask(id="a")
            assert (await lamp.until("succeeded"))["request"] == "a", "the same id may come again, put right"

    run(go)


def test_a_full_queue_says_when_to_ask_again(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    studio = FakeStudio()
    studio.gate.clear()

    async def go() -> None:
        async with serving(tmp_path, studio, address, limit=1), device(broker, trust) as lamp:
            for k in range(3):
                await lamp.ask(id=f"{k}")
            told = await lamp.until("problem")
            assert told["data"]["status"] == 429 and "seconds" in told["data"]["detail"]
            studio.gate.set()
            done = ""
            while done != told["request"]:
                await lamp.ask(id=told["request"])
                event = await lamp.until("succeeded", "problem")
                done = event["request"] if event["event"] == "succeeded" else ""

    run(go)


def test_what_was_asked_is_told_after_the_service_and_the_broker_were_away(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    studio = FakeStudio()
    studio.gate.clear()

    async def go() -> None:
        async with serving(tmp_path, studio, address), device(broker, trust) as lamp:
            await lamp.ask(id="before")
            await lamp.until("accepted")
        async with device(broker, trust) as lamp:
            await lamp.ask(id="meanwhile")  # the broker keeps it for the service
        async with serving(tmp_path, FakeStudio(), address):
            broker.stop()
            broker.start()
            async with device(broker, trust) as lamp:
                ended = {(await lamp.until("succeeded"))["request"] for _ in range(2)}
            assert ended == {"before", "meanwhile"}

    run(go)


def test_a_device_passes_the_gates_too(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    gates = Gates(
        {"words": Words(["gun"])}, {"red": lambda pixels: "too red" if pixels[0, 0, 0] == 8 else None}
    )

    async def go() -> None:
        async with serving(tmp_path, FakeStudio(), address, gates=gates), device(broker, trust) as lamp:
            await lamp.ask(id="words", prompt="a gun")
            refused = (await lamp.until("problem"))["data"]
            assert (refused["status"], refused["gate"]) == (422, "words")
            await lamp.ask(id="pictures", seed=7, n=2)
            assert (await lamp.until("withheld"))["data"] == {"index": 1, "gate": "red", "reason": "too red"}
            await lamp.until("succeeded")
            assert list(lamp.pictures) == ["limner/images/lamp/pictures/0"]

    run(go)


def test_devices_draw_within_the_limits_of_their_key_until_it_is_revoked(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    async def go() -> None:
        with_key = replace(address, key="lamps")
        async with serving(tmp_path, FakeStudio(), with_key) as service, device(broker, trust) as lamp:
            await lamp.ask(id="none")
            assert "'lamps'" in (await lamp.until("problem"))["data"]["detail"]
            key, _ = service.keys.create("lamps", quota=1)
            await lamp.ask(id="first")
            await lamp.until("succeeded")
            assert list(lamp.pictures) == ["limner/images/lamp/first/0"]
            (job,) = service.store.page(10)
            assert job.owner == key.owner and used_today(service.keys.engine)[key.id] > 0
            await lamp.ask(id="much", steps=150, n=8)
            assert (await lamp.until("problem"))["data"]["status"] == 429
            service.keys.revoke("lamps")
            await lamp.ask(id="revoked")
            assert (await lamp.until("problem"))["request"] == "revoked"
            assert len(service.store.page(10)) == 1

    run(go)


def test_a_wrong_password_is_said_and_tried_again(
    tmp_path: Path, broker: Mosquitto, address: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Broker(address.host, address.port, address.prefix, "limner", "wrong", address.tls)

    async def go() -> None:
        async with serving(tmp_path, FakeStudio(), wrong, ready=False), asyncio.timeout(60):
            while sum("no connection to the broker" in record.message for record in caplog.records) < 2:
                await asyncio.sleep(0.05)

    run(go)
    assert "wrong" not in caplog.text


def test_what_the_device_had_drawn_before_comes_without_drawing(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext
) -> None:
    studio = FakeStudio()

    async def go() -> None:
        async with serving(tmp_path, studio, address), device(broker, trust) as lamp:
            for name in ("first", "second"):
                await lamp.ask(id=name, seed=7)
                done = await lamp.until("succeeded", "problem")
                assert done["request"] == name and done["event"] == "succeeded"
            first, second = (lamp.pictures[f"limner/images/lamp/{name}/0"] for name in ("first", "second"))
            assert first == second

    run(go)
    assert len(studio.started) == 1


def test_a_request_is_drawn_once_however_the_database_fails(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is taken, after its job was made, and when its end is noted."""
    studio, failed = FakeStudio(), list[str]()

    def failing(name: str) -> Callable[..., Any]:
        works = getattr(Inbox, name)

        def fails_twice(*arguments: Any) -> Any:
            if failed.count(name) < 2:
                failed.append(name)
                raise StorageDown("the database takes no call for now")
            return works(*arguments)

        return fails_twice

    for name in ("untold", "take", "accepted", "told"):
        monkeypatch.setattr(Inbox, name, failing(name))

    async def go() -> None:
        async with serving(tmp_path, studio, address) as service, device(broker, trust) as lamp:
            await lamp.ask(id="once")
            await lamp.until("succeeded")
            while failed.count("told") < 2 or service.inbox.untold():
                await asyncio.sleep(0.01)
            assert len(service.store.page(10)) == 1
            assert "problem" not in [event["event"] for event in lamp.events]

    run(go)
    assert len(studio.started) == 1 and sorted(set(failed)) == ["accepted", "take", "told", "untold"]


def test_the_bridge_goes_on_after_any_error(
    tmp_path: Path, broker: Mosquitto, address: Broker, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    untold, broken = Inbox.untold, list[int]()

    def breaks_once(inbox: Inbox) -> Any:
        if not broken:
            broken.append(1)
            raise RuntimeError("nobody thought of this")
        return untold(inbox)

    monkeypatch.setattr(Inbox, "untold", breaks_once)

    async def go() -> None:
        async with serving(tmp_path, FakeStudio(), address), device(broker, trust) as lamp:
            while not broken:
                await asyncio.sleep(0.01)
            await lamp.ask(id="after")
            await lamp.until("succeeded")

    run(go)
