"""What happens to jobs, as server-sent events.

Each job has a feed in memory while it is not done. A feed keeps only what a late or slow client needs:
the place in the queue, the newest step of each picture, the finished pictures, the end. Clients hold
nothing but a cursor, so a slow one misses steps and costs no memory. Ids grow within a job, also across
a restart of the service, because they follow the clock.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from .jobs import Job

HEARTBEAT = 15.0
STALLED = 30.0
STILL_HERE = b": still here\n\n"
ENDS = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Message:
    """One server-sent event; `told` is what it says, or makes it when somebody first asks."""

    id: int
    kind: str
    told: BaseModel | Callable[[], BaseModel]

    @cached_property
    def data(self) -> str:
        """What it says, as JSON."""
        told = self.told if isinstance(self.told, BaseModel) else self.told()
        return told.model_dump_json()

    def encode(self) -> bytes:
        """As it goes over the wire (HTML standard, 9.2.5)."""
        return f"id: {self.id}\nevent: {self.kind}\ndata: {self.data}\n\n".encode()


class Feed:
    """The events of one job. Published from any thread, followed on an event loop.

    Ids follow the clock (ms since 1970), or with `start` count on from there. `ended` is the job at its end, where it
    was drawn here.
    """

    def __init__(self, start: int | None = None) -> None:
        self._lock = threading.Lock()
        self._messages: dict[str, Message] = {}
        self._last = _now() if start is None else start
        self._timed = start is None
        self._wakers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False
        self.step = 0
        self.ended: Job | None = None

    def publish(
        self,
        kind: str,
        data: BaseModel | Callable[[], BaseModel],
        picture: int | None = None,
        until: float | None = None,
    ) -> None:
        """Add an event; it takes the place of an earlier one that no longer matters. Its id is of a time before
        `until`, in seconds since 1970, if there is such an id left.

        `data` that is a function is called once somebody listens, on their thread, and never where nobody does.
        """
        key = kind if picture is None else f"{kind} {picture}"
        with self._lock:
            if self._closed:
                return
            known = self._messages.get(key)
            if known is not None and isinstance(data, BaseModel) and known.told == data:
                return
            now = _now() if until is None else min(_now(), int(until * 1000) - 1)
            self._last = max(self._last + 1, now) if self._timed else self._last + 1
            for stale in (key, "queued", f"step {picture}"):
                self._messages.pop(stale, None)
            self._messages[key] = Message(self._last, kind, data)
            self._closed = kind in ENDS
            self._wake()

    def close(self) -> None:
        """End the streams of this feed without a final event: the clients come back later."""
        with self._lock:
            self._closed = True
            self._wake()

    def after(self, cursor: int) -> tuple[list[Message], bool]:
        """The kept events newer than `cursor`, and whether no more will come."""
        with self._lock:
            return [m for m in self._messages.values() if m.id > cursor], self._closed

    def resume_from(self, last_event_id: str | None) -> int:
        """The cursor for a client that has seen `last_event_id`; one that is unknown sees all."""
        if last_event_id is None or not (last_event_id.isascii() and last_event_id.isdigit()):
            return 0
        cursor = int(last_event_id[:18])
        with self._lock:
            return cursor if cursor <= self._last else 0

    async def follow(self, cursor: int, heartbeat: float = HEARTBEAT) -> AsyncIterator[bytes]:
        """Events after `cursor` as bytes until the end, and a comment after `heartbeat` silent seconds."""
        async for message in self.messages(cursor, heartbeat):
            yield STILL_HERE if message is None else message.encode()

    async def messages(self, cursor: int, heartbeat: float = HEARTBEAT) -> AsyncIterator[Message | None]:
        """Events after `cursor` until the end, and None after `heartbeat` silent seconds."""
        waker = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._wakers.add(waker)
        try:
            while True:
                waker[1].clear()
                messages, closed = self.after(cursor)
                for message in messages:
                    cursor = message.id
                    yield message
                if closed:
                    return
                if messages:
                    continue
                try:
                    async with asyncio.timeout(heartbeat):  # wait_for would make a task each time
                        await waker[1].wait()
                except TimeoutError:
                    yield None
        finally:
            with self._lock:
                self._wakers.discard(waker)

    def _wake(self) -> None:
        for loop, event in self._wakers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


def _now() -> int:
    return int(time.time() * 1000)


class Feeds:
    """The feeds of all jobs that are not done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: dict[str, Feed] = {}
        self._closed = False

    def of(self, job: str) -> Feed:
        """The feed of a job, made where there is none."""
        with self._lock:
            feed = self._feeds.get(job)
            if feed is None:
                feed = self._feeds[job] = Feed()
                if self._closed:
                    feed.close()
            return feed

    def known(self, job: str) -> Feed | None:
        """The feed of a job, where there is one."""
        with self._lock:
            return self._feeds.get(job)

    def jobs(self) -> frozenset[str]:
        """Ids of the jobs that have a feed."""
        with self._lock:
            return frozenset(self._feeds)

    def step(self, job: str) -> int:
        """The step that a job has reached, 0 where nothing is known."""
        with self._lock:
            feed = self._feeds.get(job)
        return 0 if feed is None else feed.step

    def drop(self, job: str) -> None:
        """Forget the feed of a job that is done; those who follow it still get its last events."""
        with self._lock:
            self._feeds.pop(job, None)

    def close(self, but: frozenset[str] = frozenset()) -> None:
        """End all streams apart from those of the jobs `but`; feeds made later are born closed."""
        with self._lock:
            self._closed = True
            ending = [feed for job, feed in self._feeds.items() if job not in but]
        for feed in ending:
            feed.close()


class EventStream(Response):
    """The answer that sends events as they come. A client that takes nothing for STALLED seconds is let go."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events end, the client leaves or it stalls."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async for part in self._events:
                message = {
                    "type": "http.response.body",
                    "body": part,
                    "more_body": True,
                }
                async with asyncio.timeout(STALLED):
                    await send(message)
        except TimeoutError:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
