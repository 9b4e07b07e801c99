"""What a request may bring with it: how much, of which type, and how long it may take to arrive.

A body is read before anything else is done: who sends slowly holds nothing but the bytes that came, and all that is
being sent stays within a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import problem
from .routing import is_taken

MAX_BODY = 64 * 1024
MAX_UPLOAD = 20 * 1024 * 1024
MAX_FORM = MAX_UPLOAD + 5 * 1024 * 1024
UPLOADS = "/v1/images"
FORMS = frozenset({"/v1/images/edits", "/v1/images/variations"})
GRACE = 20.0
"""Seconds that a body may take, and a second more for each SLOWEST bytes of it that have come."""
SLOWEST = 32 * 1024
ARRIVING = 4 * MAX_FORM
"""Bytes of all bodies together that are being read or worked on; further ones are told to come again (503)."""
_UPLOADS_AT_ONCE = 4


class Place:
    """One of the few places for pictures in work; given back once what was sent is taken in, or at the end."""

    def __init__(self, places: asyncio.Semaphore, freed: Callable[[], None]) -> None:
        self._places, self._freed, self._held = places, freed, False

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self._held = True

    def give_back(self) -> None:
        """Let the next one in; a second time it does nothing."""
        if self._held:
            self._held = False
            self._places.release()
            self._freed()


class SmallBodies:
    """Reads request bodies of JSON up to MAX_BODY bytes, at UPLOADS pictures up to MAX_UPLOAD bytes, at FORMS forms up
    to MAX_FORM bytes.

    Larger ones are refused (413), as is what says that it is something else (415), or comes more slowly than `grace`
    seconds and SLOWEST bytes a second allow (408). Few pictures are worked on at a time; a call that goes on without
    what was sent gives back `request.state.place`.
    """

    def __init__(self, app: ASGIApp, grace: float = GRACE, room: int = ARRIVING) -> None:
        self._app, self._grace, self._room = app, grace, room
        self._uploading = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, check, then pass on."""
        takes_body = scope["type"] == "http" and scope["method"] in {"POST", "PUT", "PATCH"}
        if not (takes_body and is_taken(scope)):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        wanted, kinds, most = _expected(scope["path"])
        if not any(kind == one or (one.endswith("/") and kind.startswith(one)) for one in kinds):
            answer = problem(415, f"the body must be {wanted}; Content-Type says {kind[:80] or 'nothing'}")
            await answer(scope, receive, send)
            return
        body = _Body(most)
        try:
            refusal = await self._read(body, headers, receive)
            if refusal is not None:
                await refusal(scope, receive, send)
            elif scope["path"] in FORMS | {UPLOADS}:
                await self._placed(body, scope, receive, send)
            else:
                await self._app(scope, body.replayed(receive), send)
        finally:
            self._freed(body)

    async def _placed(self, body: _Body, scope: Scope, receive: Receive, send: Send) -> None:
        place = Place(self._uploading, lambda: self._freed(body))
        scope.setdefault("state", {})["place"] = place
        await place.take()
        try:
            await self._app(scope, body.replayed(receive), send)
        finally:
            place.give_back()

    async def _read(self, body: _Body, headers: Headers, receive: Receive) -> ASGIApp | None:
        """Read it to its end; the answer where that must not be."""
        said = headers.get("content-length", "0")
        if "content-length" in headers and "transfer-encoding" in headers:
            return problem(400, "Content-Length and Transfer-Encoding exclude each other (RFC 9112, 6.1)")
        too_large = problem(413, f"the body is larger than {body.most} bytes")
        if said.isdigit() and int(said[:18]) > body.most:
            return too_large
        begun = asyncio.get_running_loop().time()
        try:
            while True:
                async with asyncio.timeout_at(begun + self._grace + body.came / SLOWEST):
                    message = await receive()
                if message["type"] != "http.request":
                    return _nobody  # the client has left, or sent something else than it said
                part = message.get("body", b"")
                if body.came + len(part) > body.most:
                    return too_large
                if len(part) > self._room:
                    return problem(
                        503, "too much is being sent at once; send it again", headers={"Retry-After": "5"}
                    )
                self._room -= len(part)
                body.add(part)
                if not message.get("more_body", False):
                    return None
        except TimeoutError:
            return problem(
                408,
                f"the body did not arrive: {body.came} bytes of it in {self._grace:g} seconds and one more for "
                f"each {SLOWEST} bytes; send it again",
            )

    def _freed(self, body: _Body) -> None:
        self._room += body.counted
        body.counted = 0


class _Body:
    """What has come of a body of at most `most` bytes: `came`, of which `counted` are still held."""

    def __init__(self, most: int) -> None:
        self.most, self.came, self.counted = most, 0, 0
        self._data = bytearray()

    def add(self, part: bytes) -> None:
        """Some more of it."""
        self._data += part
        self.came += len(part)
        self.counted += len(part)

    def replayed(self, receive: Receive) -> Receive:
        """Receives the body as one message, keeping none of it, and then whatever comes."""
        handed = False

        async def replay() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed, whole = True, bytes(self._data)
            self._data.clear()
            return {"type": "http.request", "body": whole, "more_body": False}

        return replay


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers nothing, for there is nobody left to read it."""


def _expected(path: str) -> tuple[str, tuple[str, ...], int]:
    """What a body must be, in words and as media types, and how many bytes at most."""
    if path == UPLOADS:
        return "image/png or the like", ("image/", "application/octet-stream"), MAX_UPLOAD
    if path in FORMS:
        return "multipart/form-data", ("multipart/form-data",), MAX_FORM
    return "application/json", ("application/json",), MAX_BODY
