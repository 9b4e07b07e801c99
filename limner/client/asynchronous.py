"""The client for asyncio: the same calls, awaited."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx2

from ..answers import (
    FeedbackPage,
    FeedbackView,
    ImageLink,
    JobPage,
    JobView,
    ModelList,
    ModelView,
    PictureLink,
    Status,
    Uploaded,
)
from ..errors import LimnerError
from . import requests
from .connection import DEFAULT_URL, Connection, Page, Row, View
from .errors import NotThere
from .events import Ended, JobEvent, Told, read_event
from .requests import Asked, Call, Vote
from .results import DrawnPicture, file_of, succeeded

if TYPE_CHECKING:
    from PIL import Image


class AsyncClient:
    """As Client, for asyncio; an asynchronous context manager, for one event loop."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        patience: float = 60.0,
        timeout: float = 30.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._connection = Connection(url, api_key, patience, timeout, verify)
        self._http = httpx2.AsyncClient(**self._connection.options())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def draw(
        self,
        prompt: str,
        *,
        on_event: Callable[[JobEvent], object] | None = None,
        **settings: Unpack[Asked],
    ) -> list[DrawnPicture]:
        """Draw and wait for the pictures, telling `on_event` what happens; JobFailed where it fails.

        The job is cancelled where the caller does not stay to its end, as with asyncio.timeout.
        """
        job = await self.submit(prompt, **settings)
        try:
            async with aclosing(job.events()) as events:
                async for event in events:
                    if on_event is not None:
                        on_event(event)
            return await job.pictures()
        except BaseException:
            with suppress(LimnerError):
                if not job.view.final:
                    await job.cancel()
            raise

    async def submit(self, prompt: str, **settings: Unpack[Asked]) -> AsyncJob:
        """Queue a job; when this returns it is on the service's disk."""
        body: dict[str, Any] = dict(settings)
        for name in ("image", "mask"):
            if body.get(name) is not None and not isinstance(body[name], str):
                body[name] = (await self.upload(body[name])).id
        return AsyncJob(self, await self._ask(JobView, requests.make_job(prompt, body)))

    async def job(self, job: str) -> AsyncJob:
        """The job with that id."""
        return AsyncJob(self, await self._ask(JobView, requests.get_job(job)))

    async def jobs(self) -> AsyncIterator[AsyncJob]:
        """All jobs, newest first, fetched as they are asked for; what comes may be deleted."""
        async for view in self._listed(JobPage, lambda page: page.jobs, requests.list_jobs):
            yield AsyncJob(self, view)

    async def models(self) -> list[ModelView]:
        """The models, the served one first."""
        return (await self._ask(ModelList, requests.list_models())).models

    async def status(self) -> Status:
        """How the service is now; of a service with keys, for an admin's."""
        return await self._ask(Status, requests.get_status())

    async def upload(self, picture: Path | bytes | Image.Image) -> Uploaded:
        """Send a picture to work from; its `id` is for `image` and `mask`."""
        file = await asyncio.to_thread(file_of, picture)
        return await self._ask(Uploaded, requests.upload(file))

    async def say(
        self, image: str, *, vote: Vote | None = None, note: str = "", caption: str = ""
    ) -> FeedbackView:
        """Say something of a picture, in place of what was said of it before: a vote, a note, what it really shows."""
        said = {"image": image, "vote": vote, "note": note, "caption": caption}
        return await self._ask(FeedbackView, requests.say(said))

    async def prefer(self, image: str, over: str, *, note: str = "") -> FeedbackView:
        """Say that a picture is better than another of the same prompt."""
        said = {"image": image, "over": over, "note": note}
        return await self._ask(FeedbackView, requests.say(said))

    def feedback(self, image: str | None = None) -> AsyncIterator[FeedbackView]:
        """What was said, newest first, of one picture or of all; fetched as it is asked for, and may be taken back."""
        return self._listed(FeedbackPage, lambda page: page.feedback, partial(requests.list_feedback, image))

    async def take_back(self, feedback: str) -> None:
        """Take back what was said, by its id."""
        await self._send(requests.take_back(feedback))

    async def delete_picture(self, image: str) -> None:
        """Delete a picture that was drawn or sent, and the jobs that show nothing else."""
        await self._send(requests.delete_picture(image))

    async def picture(self, image: str | ImageLink | PictureLink) -> bytes:
        """The PNG file of a picture: of an id, or of what a job shows, its smaller sizes and word maps, too."""
        return (await self._send(requests.get_picture(image))).content

    async def _listed(
        self, kind: type[Page], rows: Callable[[Page], list[Row]], call: Callable[[str | None], Call]
    ) -> AsyncIterator[Row]:
        """All that a list has. The next page is fetched before anything of one is handed out, and begins after the last
        row that is still there."""
        page, came = await self._ask(kind, call(None)), list[str]()
        while True:
            came += [row.id for row in rows(page)]
            following: Page | None = None
            while page.next is not None and came and following is None:
                try:
                    following = await self._ask(kind, call(came[-1]))
                except NotThere:
                    came.pop()
            for row in rows(page):
                yield row
            if following is None:
                return
            page = following

    async def _ask(self, kind: type[View], call: Call) -> View:
        return self._connection.read(kind, await self._send(call))

    async def _send(self, call: Call) -> httpx2.Response:
        tries = self._connection.tries(call)
        while True:
            try:
                answer = await self._http.request(
                    call.method, call.path, json=call.json, content=call.content, params=call.params,
                    headers=call.headers,
                )  # fmt: skip
            except httpx2.HTTPError as error:
                pause: float | None = tries.lost(error)
            else:
                self._connection.known = True
                pause = tries.answered(answer)
                if pause is None:
                    return answer
            await asyncio.sleep(pause or 0)


class AsyncJob:
    """A job of an AsyncClient; `view` is what was last heard of it."""

    def __init__(self, client: AsyncClient, view: JobView) -> None:
        self._client, self.view = client, view

    @property
    def id(self) -> str:
        """Its id, which `AsyncClient.job` takes."""
        return self.view.id

    async def refresh(self) -> JobView:
        """Ask how it is now."""
        self.view = (await self._client.job(self.id)).view
        return self.view

    async def cancel(self) -> JobView:
        """Stop drawing; a job that is over stays as it is."""
        self.view = await self._client._ask(JobView, requests.cancel_job(self.id))
        return self.view

    async def events(self, after: str | None = None) -> AsyncGenerator[JobEvent]:
        """What happens, to the end, which is an Ended; where the connection is cut it goes on by itself.

        `after` is the id of the last event that was seen. Who leaves before the end closes it (contextlib.aclosing).
        """
        cursor, client, told = after, self._client, Told()
        tries = client._connection.tries(requests.follow(self.id, cursor))
        while True:
            call = requests.follow(self.id, cursor)
            try:
                async with client._http.sse(
                    call.path, headers=call.headers, timeout=client._connection.stream_timeout
                ) as source:
                    client._connection.known = True
                    if source.response.status_code == 200:
                        async for raw in source:
                            tries.restart()
                            cursor = raw.id or cursor
                            event = read_event(raw)
                            if isinstance(event, Ended):
                                self.view = event.job
                            if event is not None and not told.again(event):
                                yield event
                            if isinstance(event, Ended):
                                return
                        pause = tries.cut()
                    else:
                        await source.response.aread()
                        again = tries.answered(source.response)
                        if again is None:  # 204: the end has been told
                            break
                        pause = again
            except httpx2.HTTPError as error:
                pause = tries.lost(error)
            await asyncio.sleep(pause)
        yield Ended(cursor or "", await self.refresh())

    async def wait(self, timeout: float | None = None) -> JobView:
        """Wait until it is over; TimeoutError after `timeout` seconds."""
        if not self.view.final:
            async with asyncio.timeout(timeout), aclosing(self.events()) as events:
                async for _ in events:
                    pass
        return self.view

    async def pictures(self, timeout: float | None = None) -> list[DrawnPicture]:
        """Wait for the pictures and fetch them; JobFailed, or Cancelled, where there are none."""
        done = succeeded(await self.wait(timeout))
        return [DrawnPicture(link, await self._client.picture(link.id)) for link in done.images]
