"""The client for code that waits."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from ..errors import LimnerError, Unavailable
from . import requests
from .connection import DEFAULT_URL, Connection, Page, Row, View
from .errors import NotThere
from .events import Ended, JobEvent, Told, read_event
from .requests import Asked, Call, Vote
from .results import DrawnPicture, file_of, succeeded

if TYPE_CHECKING:
    from PIL import Image

POLL = 0.05, 1.0
"""Seconds between two looks at a job that is waited for with a time limit: first and longest."""


class Client:
    """A service at `url`; may be used from several threads, and as a context manager.

    `api_key` else LIMNER_API_KEY. Where the service is busy or away, calls are sent again for up to `patience` seconds,
    as Retry-After says; one answer may take `timeout` seconds. `verify` is what certificates are checked against.

    Every method raises what limner.client.errors shows.
    """

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
        self._http = httpx2.Client(**self._connection.options())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def draw(
        self,
        prompt: str,
        *,
        on_event: Callable[[JobEvent], object] | None = None,
        **settings: Unpack[Asked],
    ) -> list[DrawnPicture]:
        """Draw and wait for the pictures, telling `on_event` what happens; JobFailed where it fails.

        The job is cancelled where the caller does not stay to its end, as with Ctrl-C.
        """
        job = self.submit(prompt, **settings)
        try:
            for event in job.events():
                if on_event is not None:
                    on_event(event)
            return job.pictures()
        except BaseException:
            with suppress(LimnerError):
                if not job.view.final:
                    job.cancel()
            raise

    def submit(self, prompt: str, **settings: Unpack[Asked]) -> Job:
        """Queue a job; when this returns it is on the service's disk."""
        body: dict[str, Any] = dict(settings)
        for name in ("image", "mask"):
            if body.get(name) is not None and not isinstance(body[name], str):
                body[name] = self.upload(body[name]).id
        return Job(self, self._ask(JobView, requests.make_job(prompt, body)))

    def job(self, job: str) -> Job:
        """The job with that id."""
        return Job(self, self._ask(JobView, requests.get_job(job)))

    def jobs(self) -> Iterator[Job]:
        """All jobs, newest first, fetched as they are asked for; what comes may be deleted."""
        for view in self._listed(JobPage, lambda page: page.jobs, requests.list_jobs):
            yield Job(self, view)

    def models(self) -> list[ModelView]:
        """The models, the served one first."""
        return self._ask(ModelList, requests.list_models()).models

    def status(self) -> Status:
        """How the service is now; of a service with keys, for an admin's."""
        return self._ask(Status, requests.get_status())

    def upload(self, picture: Path | bytes | Image.Image) -> Uploaded:
        """Send a picture to work from; its `id` is for `image` and `mask`."""
        return self._ask(Uploaded, requests.upload(file_of(picture)))

    def say(self, image: str, *, vote: Vote | None = None, note: str = "", caption: str = "") -> FeedbackView:
        """Say something of a picture, in place of what was said of it before: a vote, a note, what it really shows."""
        said = {"image": image, "vote": vote, "note": note, "caption": caption}
        return self._ask(FeedbackView, requests.say(said))

    def prefer(self, image: str, over: str, *, note: str = "") -> FeedbackView:
        """Say that a picture is better than another of the same prompt."""
        said = {"image": image, "over": over, "note": note}
        return self._ask(FeedbackView, requests.say(said))

    def feedback(self, image: str | None = None) -> Iterator[FeedbackView]:
        """What was said, newest first, of one picture or of all; fetched as it is asked for, and may be taken back."""
        return self._listed(FeedbackPage, lambda page: page.feedback, partial(requests.list_feedback, image))

    def take_back(self, feedback: str) -> None:
        """Take back what was said, by its id."""
        self._send(requests.take_back(feedback))

    def delete_picture(self, image: str) -> None:
        """Delete a picture that was drawn or sent, and the jobs that show nothing else."""
        self._send(requests.delete_picture(image))

    def picture(self, image: str | ImageLink | PictureLink) -> bytes:
        """The PNG file of a picture: of an id, or of what a job shows, its smaller sizes and word maps, too."""
        return self._send(requests.get_picture(image)).content

    def _listed(
        self, kind: type[Page], rows: Callable[[Page], list[Row]], call: Callable[[str | None], Call]
    ) -> Iterator[Row]:
        """All that a list has. The next page is fetched before anything of one is handed out, and begins after the last
        row that is still there."""
        page, came = self._ask(kind, call(None)), list[str]()
        while True:
            came += [row.id for row in rows(page)]
            following: Page | None = None
            while page.next is not None and came and following is None:
                try:
                    following = self._ask(kind, call(came[-1]))
                except NotThere:
                    came.pop()
            yield from rows(page)
            if following is None:
                return
            page = following

    def _ask(self, kind: type[View], call: Call) -> View:
        return self._connection.read(kind, self._send(call))

    def _send(self, call: Call, within: float = math.inf) -> httpx2.Response:
        tries, most = self._connection.tries(call, within), min(self._connection.timeout, max(0.1, within))
        while True:
            try:
                answer = self._http.request(
                    call.method, call.path, json=call.json, content=call.content, params=call.params,
                    headers=call.headers, timeout=most,
                )  # fmt: skip
            except httpx2.HTTPError as error:
                pause: float | None = tries.lost(error)
            else:
                self._connection.known = True
                pause = tries.answered(answer)
                if pause is None:
                    return answer
            time.sleep(pause or 0)


class Job:
    """A job of a Client; `view` is what was last heard of it."""

    def __init__(self, client: Client, view: JobView) -> None:
        self._client, self.view = client, view

    @property
    def id(self) -> str:
        """Its id, which `Client.job` takes."""
        return self.view.id

    def refresh(self) -> JobView:
        """Ask how it is now."""
        self.view = self._client.job(self.id).view
        return self.view

    def cancel(self) -> JobView:
        """Stop drawing; a job that is over stays as it is."""
        self.view = self._client._ask(JobView, requests.cancel_job(self.id))
        return self.view

    def events(self, after: str | None = None) -> Iterator[JobEvent]:
        """What happens, to the end, which is an Ended; where the connection is cut it goes on by itself.

        `after` is the id of the last event that was seen.
        """
        cursor, client, told = after, self._client, Told()
        tries = client._connection.tries(requests.follow(self.id, cursor))
        while True:
            call = requests.follow(self.id, cursor)
            try:
                with client._http.sse(
                    call.path, headers=call.headers, timeout=client._connection.stream_timeout
                ) as source:
                    client._connection.known = True
                    if source.response.status_code == 200:
                        for raw in source:
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
                        source.response.read()
                        again = tries.answered(source.response)
                        if again is None:  # 204: the end has been told
                            break
                        pause = again
            except httpx2.HTTPError as error:
                pause = tries.lost(error)
            time.sleep(pause)
        yield Ended(cursor or "", self.refresh())

    def wait(self, timeout: float | None = None) -> JobView:
        """Wait until it is over; TimeoutError after `timeout` seconds."""
        if timeout is None:
            for _ in self.events() if not self.view.final else ():
                pass
            return self.view
        deadline, (pause, longest), left = time.monotonic() + timeout, POLL, timeout
        while not self._refreshed(left):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"job {self.id} is {self.view.state} after {timeout:g} seconds")
            time.sleep(min(pause, left))
            pause, left = min(pause * 1.5, longest), deadline - time.monotonic()
        return self.view

    def _refreshed(self, within: float) -> bool:
        """Ask how it is, for so many seconds at most; whether it is over, as far as is known."""
        began = time.monotonic()
        try:
            answer = self._client._send(requests.get_job(self.id), within)
        except Unavailable:
            if within > self._client._connection.patience:
                raise
            time.sleep(max(0.0, within - (time.monotonic() - began)))
            return False
        self.view = self._client._connection.read(JobView, answer)
        return self.view.final

    def pictures(self, timeout: float | None = None) -> list[DrawnPicture]:
        """Wait for the pictures and fetch them; JobFailed, or Cancelled, where there are none."""
        done = succeeded(self.wait(timeout))
        return [DrawnPicture(link, self._client.picture(link.id)) for link in done.images]
