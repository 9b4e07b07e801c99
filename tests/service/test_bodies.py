"""Bodies that come slowly, in crowds or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from limner.service.app import create_app
from limner.service.bodies import SLOWEST, UPLOADS, SmallBodies

from .fake_studio import FakeStudio
from .running import running
from .test_pictures import file_of

Answered = list[Message]


async def taken(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says how much it got."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


async def ask(bodies: SmallBodies, receive: Callable[[], Any], **headers: str) -> Answered:
    """What is answered to an upload that `receive` brings."""
    answered: Answered = []

    async def send(message: Message) -> None:
        answered.append(message)

    said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": "POST", "path": UPLOADS, "headers": [(b"content-type", b"image/png"), *said],
    }  # fmt: skip
    await bodies(scope, receive, send)
    return answered


def brought(parts: list[bytes], then: asyncio.Event | None = None) -> Callable[[], Any]:
    """Gives `parts` and, with `then`, the end when it is set; without, nothing more ever."""

    async def each() -> AsyncIterator[Message]:
        for part in parts:
            yield {"type": "http.request", "body": part, "more_body": True}
        await (then or asyncio.Event()).wait()
        yield {"type": "http.request", "body": b"", "more_body": False}

    messages = each()
    return lambda: anext(messages)


@pytest.mark.parametrize("parts", [[], [b"a", b"b"]])
def test_a_body_that_never_ends_is_given_up(parts: list[bytes]) -> None:
    answered = asyncio.run(ask(SmallBodies(taken, grace=0.01), brought(parts)))
    assert answered[0]["status"] == 408 and b"0.01 seconds" in answered[1]["body"]


def test_what_comes_steadily_may_take_longer() -> None:
    """Half a second's worth of bytes has half a second more."""

    async def go() -> Answered:
        end = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, end.set)
        return await ask(SmallBodies(taken, grace=0.0), brought([bytes(SLOWEST * 600)], end))

    assert asyncio.run(go())[1]["body"] == str(SLOWEST * 600).encode()


def test_half_a_body_is_nothing() -> None:
    """It might be whole JSON, or a picture, by chance."""

    async def go() -> Answered:
        messages: list[Message] = [
            {"type": "http.request", "body": b"half", "more_body": True},
            {"type": "http.disconnect"},
        ]
        left = iter(messages)

        async def receive() -> Message:
            return next(left)

        return await ask(SmallBodies(taken), receive)

    assert asyncio.run(go()) == []


def test_slow_uploads_keep_nobody_out() -> None:
    async def go() -> Answered:
        bodies = SmallBodies(taken, grace=60)
        slow = [asyncio.create_task(ask(bodies, brought([b"a"]))) for _ in range(200)]
        await asyncio.sleep(0)
        end = asyncio.Event()
        end.set()
        try:
            return await ask(bodies, brought([b"quick"], end))
        finally:
            for task in slow:
                task.cancel()

    assert asyncio.run(go())[1]["body"] == b"5"


def test_all_that_is_being_sent_is_bounded_and_the_room_comes_back() -> None:
    async def go() -> list[int]:
        bodies = SmallBodies(taken, grace=60, room=100)
        end, done = asyncio.Event(), asyncio.Event()
        done.set()
        first = asyncio.create_task(ask(bodies, brought([bytes(80)], end)))
        await asyncio.sleep(0)
        crowded = await ask(bodies, brought([bytes(30)], done))
        end.set()
        begun = await first
        later = await ask(bodies, brought([bytes(100)], done))
        return [answered[0]["status"] for answered in (crowded, begun, later)]

    assert asyncio.run(go()) == [503, 200, 200]


def test_a_client_that_leaves_gives_its_room_back(tmp_path: Path) -> None:
    """Over the wire: headers and half a body, then nothing; others draw and upload meanwhile."""
    with running(create_app(tmp_path, FakeStudio(), drain_seconds=0.2)) as url:
        port = int(url.rsplit(":")[-1])
        head = (
            b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: image/png\r\nContent-Length: 999\r\n\r\nab"
        )
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
        for one in slow:
            one.sendall(head)
        answer = httpx.post(f"{url}/v1/images", content=file_of(), headers={"content-type": "image/png"})
        assert answer.status_code == 201
        for one in slow:
            one.close()
        assert httpx.get(f"{url}/healthz").status_code == 200
