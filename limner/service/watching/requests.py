"""Every request gets an id and is seen when its answer begins."""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access import Caller
from ..access.keys import PREFIX
from .sights import Answered, Watching

REQUEST_ID = "x-request-id"
_GOOD = re.compile(r"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered, "" outside of one."""


class Seen:
    """The outermost layer: honours `X-Request-Id` where it is 1 to 64 of A-Z a-z 0-9 . _ -, else makes one; answers it;
    tells `watching` of each answer."""

    def __init__(self, app: ASGIApp, watching: Watching) -> None:
        self._app, self._watching = app, watching

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and tell."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(REQUEST_ID, "")
        own = asked if _GOOD.fullmatch(asked) else secrets.token_hex(8)
        began, answered = time.perf_counter(), False

        def tell(status: int) -> None:
            nonlocal answered
            answered = True
            seconds = time.perf_counter() - began
            self._watching(Answered(scope["method"], route_of(scope), status, seconds, own, caller_of(scope)))

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = own
                tell(int(message["status"]))
            await send(message)

        scope.setdefault("state", {})["request_id"] = own
        before = request_id.set(own)
        try:
            await self._app(scope, receive, told)
        except Exception:
            if not answered:
                tell(500)
            raise
        finally:
            request_id.reset(before)


def route_of(scope: Scope) -> str:
    """The template of the path that answered, such as /v1/jobs/{job_id}; "" where none did."""
    path = getattr(scope.get("route"), "path", "")
    return path if isinstance(path, str) else ""


def caller_of(scope: Scope) -> str:
    """Who asked: the prefix of their key, "" without one."""
    caller = scope.get("state", {}).get("caller")
    return f"{PREFIX}{caller.key}" if isinstance(caller, Caller) and caller.key else ""
