"""The gate: recognises who sent a request, refuses whom nobody knows, and holds scopes.

What is not named OPEN needs a key, so that a call that somebody adds is closed until it is thought about: GET needs
`read`, anything else `draw`, what lies under an address of ADMIN needs `admin`. A browser that is signed in sends its
session's cookie in place of a key.
"""

from __future__ import annotations

import math
import re

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from ...errors import StorageDown
from ..host import own_origin
from ..problems import problem
from .caller import EVERYBODY, Caller, Scope
from .keys import KeyStore
from .quotas import Buckets, limit_headers
from .sessions import LET_GO, Sessions, cookie_of

OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
OPEN_FOLDER = "/pages/"
SESSION = "/v1/session"
ADMIN = ("/metrics", "/v1/admin")
_BEARER = re.compile(r"bearer +(\S{1,200})", re.IGNORECASE)


class Keyring:
    """What the gate asks; `forced` where the service must not be open even before the first key is made."""

    def __init__(self, forced: bool = False) -> None:
        self.forced = forced
        self.keys: KeyStore | None = None
        self.sessions: Sessions | None = None

    def recognised(self, headers: Headers) -> Caller | None:
        """Who sent a request with these headers; None where nobody is known by them. Reads the database."""
        assert self.keys is not None and self.sessions is not None, "the service has not started"
        if not self.forced and not self.keys.required():
            return EVERYBODY
        sent, cookie = headers.getlist("authorization"), cookie_of(headers)
        if sent or cookie is None:
            found = _BEARER.fullmatch(sent[0].strip()) if len(sent) == 1 else None
            key = None if found is None else self.keys.recognise(found.group(1))
        else:
            begun_with = self.sessions.key(cookie)
            key = None if begun_with is None else self.keys.get(begun_with)
        return None if key is None else key.caller


class Gate:
    """Puts a Caller on each request as `request.state.caller`; 401 without one, 403 without the scope, 429 above the
    key's rate."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app, self._keyring, self._buckets = app, keyring, Buckets()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Recognise, then pass on."""
        if scope["type"] != "http" or is_open(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            caller = await run_in_threadpool(self._keyring.recognised, headers)
        except (SQLAlchemyError, StorageDown):
            answer = problem(503, "the database does not answer; try again", headers={"Retry-After": "5"})
            await answer(scope, receive, send)
            return
        needed = needs(scope["method"], scope["path"])
        if caller is None:
            said = "send a key that is in force as Authorization: Bearer limner_..."
            answer = problem(401, f"this service needs a key: {said}", headers=_unknown(scope))
        elif caller.key is not None and not _is_own_page(scope, headers):
            answer = problem(
                403,
                "a browser that is signed in may ask from this service's own page alone (Origin); use a key",
            )
        elif needed is not None and not caller.may(needed):
            has = ", ".join(sorted(caller.scopes))
            answer = problem(403, f"key '{caller.name}' may {has}; this needs the scope {needed}")
        else:
            scope.setdefault("state", {})["caller"] = caller
            await self._at_its_rate(caller, scope, receive, send)
            return
        await answer(scope, receive, send)

    async def _at_its_rate(self, caller: Caller, scope: Connection, receive: Receive, send: Send) -> None:
        if caller.key is None or caller.rate is None:
            await self._app(scope, receive, send)
            return
        taken = self._buckets.take(caller.key, caller.rate)
        window = 60 * taken.limit / caller.rate
        headers = limit_headers("requests", taken.limit, window, taken.left, taken.full)
        if taken.wait:
            said = f"key '{caller.name}' may send {caller.rate:g} requests a minute"
            wait = {"Retry-After": str(math.ceil(taken.wait))}
            await problem(429, said, headers={**headers, **wait})(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name, value in headers.items():
                    own.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, told)


def is_open(method: str, path: str) -> bool:
    """Whether anybody may send `method` to `path`."""
    return path in OPEN or path.startswith(OPEN_FOLDER) or (method, path) == ("POST", SESSION)


def _unknown(scope: Connection) -> dict[str, str]:
    """Headers for whom nobody knows; who signs out of a session that has ended lets go of its pictures all the same."""
    out = (scope["method"], scope["path"]) == ("DELETE", SESSION)
    return {"WWW-Authenticate": "Bearer", **({"Clear-Site-Data": LET_GO} if out else {})}


def _is_own_page(scope: Connection, headers: Headers) -> bool:
    """Whether what comes with a cookie alone and changes something says that it comes from a page of this service.

    Pages of other origins that may ask (`--allow-origin`) do so with a key."""
    if scope["method"] in {"GET", "HEAD"} or "authorization" in headers:
        return True
    if cookie_of(headers) is None:
        return True
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return origin.lower() == own_origin(scope, headers)


def needs(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None where any key will do."""
    if path == SESSION:
        return None
    if any(path == place or path.startswith(f"{place}/") for place in ADMIN):
        return "admin"
    return "read" if method in {"GET", "HEAD"} else "draw"
