"""The gate: recognises who sent a request, refuses whom nobody knows, and holds scopes.

What is not named OPEN needs a key, so that a call that somebody adds is closed until it is thought about: GET needs
`read`, anything else `draw`, what lies under an address of ADMIN needs `admin`.
"""

from __future__ import annotations

import re

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from ..problems import problem
from .caller import EVERYBODY, Caller, Scope
from .keys import KeyStore

OPEN = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
OPEN_FOLDER = "/pages/"
ADMIN = ("/metrics", "/v1/admin")
_BEARER = re.compile(r"bearer +(\S{1,200})", re.IGNORECASE)


class Keyring:
    """What the gate asks; `forced` where the service must not be open even before the first key is made."""

    def __init__(self, forced: bool = False) -> None:
        self.forced = forced
        self.keys: KeyStore | None = None

    def recognised(self, headers: Headers) -> Caller | None:
        """Who sent a request with these headers; None where nobody is known by them. Reads the database."""
        assert self.keys is not None, "the service has not started"
        if not self.forced and not self.keys.required():
            return EVERYBODY
        sent = headers.getlist("authorization")
        found = _BEARER.fullmatch(sent[0].strip()) if len(sent) == 1 else None
        key = None if found is None else self.keys.recognise(found.group(1))
        return None if key is None else key.caller


class Gate:
    """Puts a Caller on each request as `request.state.caller`; 401 without one, 403 without the scope."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app, self._keyring = app, keyring

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Recognise, then pass on."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            caller = await run_in_threadpool(self._keyring.recognised, Headers(scope=scope))
        except SQLAlchemyError:
            answer = problem(503, "the database does not answer; try again", headers={"Retry-After": "5"})
            await answer(scope, receive, send)
            return
        needed = needs(scope["method"], scope["path"])
        if caller is None:
            said = "send a key that is in force as Authorization: Bearer limner_..."
            answer = problem(401, f"this service needs a key: {said}", headers={"WWW-Authenticate": "Bearer"})
        elif not caller.may(needed):
            has = ", ".join(sorted(caller.scopes))
            answer = problem(403, f"key '{caller.name}' may {has}; this needs the scope {needed}")
        else:
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether anybody may ask for what is at `path`."""
    return path in OPEN or path.startswith(OPEN_FOLDER)


def needs(method: str, path: str) -> Scope:
    """The scope that a request needs."""
    if any(path == place or path.startswith(f"{place}/") for place in ADMIN):
        return "admin"
    return "read" if method in {"GET", "HEAD"} else "draw"
