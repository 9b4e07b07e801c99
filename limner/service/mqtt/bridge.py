"""Between the broker and the jobs: takes requests, tells events, sends pictures, and comes back when it is cut off."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool

from ...answers import ImageLink
from ...errors import LimnerError, NotFound, StorageDown, Unavailable
from ..access import Caller, Scope
from ..events import ENDS, Message
from ..following import feed_of
from ..readings import Reader
from ..service import Service
from .broker import Broker
from .inbox import Kept
from .messages import Refused, device_of, event, problem_of, read_request
from .turn import WAIT, Turn

if TYPE_CHECKING:
    import aiomqtt

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before connecting again, and the most that they grow to."""
_AT_LEAST_ONCE = 1  # and however long it takes: a connection that is lost ends the telling
_SCOPES: frozenset[Scope] = frozenset({"draw", "read"})
_T = TypeVar("_T")
log = logging.getLogger(__name__)


class Bridge:
    """Works for the devices of one broker until it is cancelled; `ready` while requests reach it."""

    def __init__(self, service: Service, broker: Broker, first_pause: float = FIRST_PAUSE) -> None:
        self._service, self._broker, self._first_pause = service, broker, first_pause
        self._telling: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.ready = asyncio.Event()
        self._accepting = asyncio.Lock()  # in the order in which they came

    async def run(self) -> None:
        """Connect and work while it is this service's turn; after each cut again, with growing pauses."""
        import aiomqtt

        broker, pause = self._broker, self._first_pause
        turn, told = self._service.inbox.turn(f"{broker.host}:{broker.port}/{broker.prefix}"), False
        try:
            while True:
                try:
                    if not await run_in_threadpool(turn.take):
                        if not told:
                            log.warning("another service works for the devices; this one waits for its turn")
                        told = True
                        await asyncio.sleep(WAIT)
                        continue
                    told = False
                    async with aiomqtt.Client(
                        broker.host,
                        broker.port,
                        username=broker.user,
                        password=broker.password,
                        # The broker keeps what comes while no service is there, for a client that it knows again.
                        identifier=await run_in_threadpool(turn.client),
                        clean_session=False,
                        tls_context=broker.tls,
                        timeout=20,
                    ) as client:
                        log.info("devices are served by %s:%d", broker.host, broker.port)
                        pause = self._first_pause
                        await self._while_ours(turn, self._work(client))
                except StorageDown as error:
                    log.warning("devices wait: %s", error)
                except (aiomqtt.MqttError, OSError) as error:
                    log.warning("no connection to the broker %s:%d (%s)", broker.host, broker.port, error)
                except Exception:  # devices are served on, whatever went wrong with one of them
                    log.exception("the bridge to the broker %s:%d begins again", broker.host, broker.port)
                turn.give_back()  # another may reach the broker
                await asyncio.sleep(pause * random.uniform(0.5, 1))
                pause = min(LONGEST_PAUSE, 2 * pause)
        finally:
            turn.give_back(for_good=True)

    async def _while_ours(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        """Work until that ends, or it is no longer this service's turn."""
        working = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({working}, timeout=WAIT))[0]:
                if not await run_in_threadpool(turn.take):
                    log.warning("another service may work for the devices now")
                    return
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _work(self, client: aiomqtt.Client) -> None:
        try:
            await client.subscribe(f"{self._broker.prefix}/requests/+", qos=_AT_LEAST_ONCE)
            self.ready.set()
            for kept in await self._in_the_end(self._service.inbox.untold):
                self._tell(client, kept)
            async for message in client.messages:
                payload = message.payload
                await self._received(
                    client, str(message.topic), payload if isinstance(payload, bytes) else b""
                )
        finally:
            self.ready.clear()
            tasks = list(self._telling.values())
            self._telling.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _received(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        device = device_of(topic)
        if device is None:
            log.warning("a request came on '%.80s', which names no device", topic)
            return
        try:
            asked = read_request(payload)
        except Refused as error:
            await self._say(client, device, event(error.request, "problem", error.problem.model_dump_json()))
            return
        # The broker does not send it again: it is kept, however long the database takes.
        take = partial(self._service.inbox.take, device, asked.id, asked.text)
        self._tell(client, await self._in_the_end(take))

    async def _in_the_end(self, call: Callable[[], _T]) -> _T:
        """What a call of the database gives once that takes it."""
        while True:
            try:
                return await run_in_threadpool(call)
            except StorageDown as error:
                log.warning("requests of devices wait: %s", error)
                await asyncio.sleep(self._first_pause)

    def _tell(self, client: aiomqtt.Client, kept: Kept) -> None:
        """Begin to tell how a request goes on, unless that is being done."""
        name = (kept.device, kept.request)
        if name not in self._telling:
            task = asyncio.create_task(self._told(client, kept))
            self._telling[name] = task
            task.add_done_callback(lambda done: self._done(name, done))

    def _done(self, name: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._telling.get(name) is task:
            del self._telling[name]
        error = None if task.cancelled() else task.exception()
        if error is not None:  # what is not told is told after the next connection
            log.warning("request %s of device %s: %s", name[1], name[0], error)

    async def _told(self, client: aiomqtt.Client, kept: Kept) -> None:
        job = kept.job
        while True:
            try:
                caller = await run_in_threadpool(self._caller, kept)
                if job is None:
                    async with self._accepting:
                        job = await run_in_threadpool(self._accepted, kept, caller)
                else:
                    await run_in_threadpool(self._service.store.get, job)  # NotFound where it was forgotten
                await self._say(client, kept.device, event(kept.request, "accepted", {"job": job}))
                await self._followed(client, kept, job, caller)
                return
            except StorageDown as error:  # what the request became is not known to be nothing
                log.warning("request %s of device %s waits: %s", kept.request, kept.device, error)
                await asyncio.sleep(self._first_pause)
            except LimnerError as error:
                told = problem_of(error).model_dump_json()
                if job is not None:  # never drawn anew: who asks again from now on is told again
                    self._telling.pop((kept.device, kept.request), None)
                await self._say(client, kept.device, event(kept.request, "problem", told))
                note = self._service.inbox.drop if job is None else self._service.inbox.told
                await self._in_the_end(partial(note, kept))
                return

    def _caller(self, kept: Kept) -> Caller:
        """For whom a request is drawn: its device, or the owner of the devices' key; Unavailable where that is not in
        force or may not draw."""
        if self._broker.key is None:
            name = f"mqtt:{kept.device}"
            return Caller(None, name, _SCOPES, name, once=kept.once)
        for key in self._service.keys.all():
            if key.name == self._broker.key and key.revoked_at is None and key.caller.may("draw"):
                return replace(key.caller, scopes=_SCOPES, once=kept.once)
        raise Unavailable(
            f"key '{self._broker.key}', with which devices draw, is not in force or may not draw"
        )

    def _accepted(self, kept: Kept, caller: Caller) -> str:
        asked = read_request(kept.asked.encode()).job
        job = self._service.accept(
            asked.draw_request(self._service.model),
            asked.n,
            caller,
            asked.priority,
            Reader(asked.locale, asked.readings),
            asked.anew,
            asked.derived_from,
        )
        self._service.inbox.accepted(kept, job.id)
        return job.id

    async def _followed(self, client: aiomqtt.Client, kept: Kept, job: str, caller: Caller) -> None:
        cursor = 0
        while not self._service.draining:
            _, feed = await run_in_threadpool(feed_of, self._service, job)
            async for message in feed.messages(cursor):
                if message is None:
                    continue
                cursor = message.id
                if message.kind == "image":
                    await self._picture(client, kept, message, caller)
                if message.kind in ENDS:  # who asks again from now on is told again
                    self._telling.pop((kept.device, kept.request), None)
                await self._say(client, kept.device, event(kept.request, message.kind, message.data))
                if message.kind in ENDS:
                    await run_in_threadpool(self._service.inbox.told, kept)
                    return
            await asyncio.sleep(0.1)  # a feed without an end: the job was given back, or the service stops

    async def _picture(self, client: aiomqtt.Client, kept: Kept, message: Message, caller: Caller) -> None:
        link = ImageLink.model_validate_json(message.data)
        try:
            png = await run_in_threadpool(self._service.whole_picture, link.id, caller)
        except NotFound:
            return  # forgotten in the meantime
        topic = f"{self._broker.prefix}/images/{kept.device}/{kept.request}/{link.index}"
        await client.publish(topic, png, qos=_AT_LEAST_ONCE, timeout=math.inf)

    async def _say(self, client: aiomqtt.Client, device: str, text: str) -> None:
        topic = f"{self._broker.prefix}/events/{device}"
        await client.publish(topic, text, qos=_AT_LEAST_ONCE, timeout=math.inf)
