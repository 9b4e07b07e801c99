"""From where the service may be spoken to: from this machine only, unless it has keys and is told otherwise.

A name that points at 127.0.0.1 (DNS rebinding) fails the Host check; a page of another site or port
fails the Origin check, whatever the method, so a form or a script elsewhere cannot start or read work.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import problem
from .reach import Reach

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


_OF_OPENAI = (
    "OpenAI-Organization", "OpenAI-Project", "User-Agent",
    *(f"X-Stainless-{name}" for name in (
        "Arch", "Lang", "OS", "Package-Version", "Retry-Count", "Runtime", "Runtime-Version", "Timeout",
    )),
)  # fmt: skip
"""What OpenAI's client for JavaScript sends beside."""


class OtherOrigins(CORSMiddleware):
    """Lets the pages of named other origins read the answers: with a key, never by cookie."""

    def __init__(self, app: ASGIApp, reach: Reach) -> None:
        super().__init__(
            app,
            allow_origins=reach.origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=(
                "Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-Id", *_OF_OPENAI,
            ),
            expose_headers=(
                "Location", "Retry-After", "Limner-Job", "Idempotency-Replayed", "X-Request-Id", "X-Should-Retry",
                "RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
            ),
        )  # fmt: skip


class Heads:
    """Answers HEAD as GET without the body (RFC 9110, 9.3.2); but for a job's events, which may take long to end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith("/events"):
            await self._app(scope, receive, send)
            return

        async def without(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app(dict(scope) | {"method": "GET"}, receive, without)


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
        own = own_origin(scope, headers)
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


def own_origin(scope: Scope, headers: Headers) -> str:
    """The origin of this service's own page, as who asks has called the service."""
    return f"{scope.get('scheme', 'http')}://{headers.get('host', '').lower()}"


def _name(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
