"""From where the service may be spoken to: from this machine only, unless it has keys and is told otherwise.

A name that points at 127.0.0.1 (DNS rebinding) fails the Host check; a page of another site or port
fails the Origin check, whatever the method, so a form or a script elsewhere cannot start or read work.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import problem
from .reach import Reach

MAX_BODY = 64 * 1024
MAX_UPLOAD = 20 * 1024 * 1024
PATIENCE = 120.0  # seconds
MAX_FORM = MAX_UPLOAD + 5 * 1024 * 1024
UPLOADS = "/v1/images"
FORMS = frozenset({"/v1/images/edits", "/v1/images/variations"})
_UPLOADS_AT_ONCE = 4
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class SafeHeaders:
    """Adds the headers of HEADERS to every answer that does not set them itself; beyond this machine over TLS also that
    it is to be had over TLS alone."""

    def __init__(self, app: ASGIApp, reach: Reach) -> None:
        self._app, self._reach = app, reach

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding the headers."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._reach.beyond and scope.get("scheme") == "https":
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


class OtherOrigins(CORSMiddleware):
    """Lets the pages of named other origins read the answers: with a key, never by cookie."""

    def __init__(self, app: ASGIApp, reach: Reach) -> None:
        super().__init__(
            app,
            allow_origins=reach.origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-Id"),
            expose_headers=(
                "Location", "Retry-After", "Limner-Job", "Idempotency-Replayed", "X-Request-Id", "RateLimit",
                "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
            ),
        )  # fmt: skip


class LocalOnly:
    """Refuses requests by a foreign Host (421) or from a foreign Origin (403) that `reach` does not name.

    Beyond this machine a name is none of the service's business: a page that has its own name point here gets nothing
    without a key, and no browser sends it the cookie of another name.
    """

    def __init__(self, app: ASGIApp, reach: Reach) -> None:
        self._app, self._reach = app, reach

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not (self._reach.beyond or _name(hosts[0]) in LOOPBACK_NAMES):
            shown = ", ".join(hosts)[:80]
            answer = problem(
                421,
                f"the Host '{shown}' is not this machine: use 127.0.0.1 or localhost",
            )
            await answer(scope, receive, send)
            return
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "none")
        own = f"{scope.get('scheme', 'http')}://{hosts[0].lower()}"
        if origin is not None and origin.lower() in self._reach.origins:
            await self._app(scope, receive, send)
            return
        crosses = scope["method"] not in {"GET", "HEAD"} and site not in {
            "same-origin",
            "none",
        }
        if (origin is not None and origin.lower() != own) or crosses:
            shown = (origin or site)[:80]
            answer = problem(
                403,
                f"a page of '{shown}' may not use this service: open {own}/ instead",
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Place:
    """One of the few places for pictures on their way in; given back once what was sent is taken in, or at the end."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places, self._held = places, False

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self._held = True

    def give_back(self) -> None:
        """Let the next one in; a second time it does nothing."""
        if self._held:
            self._held = False
            self._places.release()


class SmallBodies:
    """Reads request bodies of JSON up to MAX_BODY bytes, at UPLOADS pictures up to MAX_UPLOAD bytes, at FORMS forms up
    to MAX_FORM bytes.

    Larger ones are refused (413), as is what says that it is something else (415) or does not arrive within `patience`
    seconds (408).
    """

    def __init__(self, app: ASGIApp, patience: float = PATIENCE) -> None:
        self._app, self._patience = app, patience
        self._uploading = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, check, then pass on; few pictures at a time, so that they do not fill the memory.

        A call that goes on without what was sent gives back `request.state.place`.
        """
        if scope["type"] != "http" or scope["path"] not in FORMS | {UPLOADS}:
            await self._bounded(scope, receive, send)
            return
        place = Place(self._uploading)
        scope.setdefault("state", {})["place"] = place
        await place.take()
        try:
            await self._bounded(scope, receive, send)
        finally:
            place.give_back()

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"POST", "PUT", "PATCH"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        wanted, kinds, most = _expected(scope["path"])
        if not any(kind == one or (one.endswith("/") and kind.startswith(one)) for one in kinds):
            answer = problem(415, f"the body must be {wanted}; Content-Type says {kind[:80] or 'nothing'}")
            await answer(scope, receive, send)
            return
        said = headers.get("content-length", "0")
        try:
            async with asyncio.timeout(self._patience):
                body = None if said.isdigit() and int(said[:18]) > most else await _read(receive, most)
        except TimeoutError:
            answer = problem(408, f"the body did not arrive within {self._patience:g} seconds; send it again")
            await answer(scope, receive, send)
            return
        if body is None:
            answer = problem(413, f"the body is larger than {most} bytes")
            await answer(scope, receive, send)
            return
        read: list[bytes] = [body]
        del body

        async def replay() -> Message:
            if not read:
                return await receive()
            return {"type": "http.request", "body": read.pop(), "more_body": False}

        await self._app(scope, replay, send)


def _expected(path: str) -> tuple[str, tuple[str, ...], int]:
    """What a body must be, in words and as media types, and how many bytes at most."""
    if path == UPLOADS:
        return "image/png or the like", ("image/", "application/octet-stream"), MAX_UPLOAD
    if path in FORMS:
        return "multipart/form-data", ("multipart/form-data",), MAX_FORM
    return "application/json", ("application/json",), MAX_BODY


async def _read(receive: Receive, most: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _name(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
