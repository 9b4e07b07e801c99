"""Idempotency-Key: a POST that is sent again is answered again, and nothing is made twice
(draft-ietf-httpapi-idempotency-key-header).

The first request with a key notes it down before it runs, and its answer before that goes out. A further one with the
same key and body gets that answer. Where there is none, because the service died meanwhile, or the answer was a stream,
large or has pictures in it, which are kept in the picture store alone, it runs again with the same `Caller.once`, by
which `Service.accept` finds the job that was made.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Engine, delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import sessionmaker
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import StorageDown
from ..database import one_at_a_time
from ..problems import problem
from ..routing import is_taken
from ..schema import OnceRow
from .caller import Caller

HEADER = "idempotency-key"
LIFETIME = 24 * 3600
MOST_KEPT = 1024 * 1024
WITH_PICTURES = frozenset({"/v1/images/generations", "/v1/images/edits", "/v1/images/variations"})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BOUNDARY = re.compile(rb"boundary=\"?([^\";,]+)")
_KEPT_HEADERS = ("content-type", "location", "limner-job", "x-should-retry")


@dataclass(frozen=True)
class Noted:
    """What is known of a key: `once` where the request is to run, else the `answer`, else the `refusal`."""

    once: str = ""
    answer: Response | None = None
    refusal: Response | None = None


class OnceStore:
    """The idempotency keys of one database. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._writes = sessionmaker(engine.execution_options(write=True))
        self._lock = threading.Lock()
        self._running: set[tuple[str, str]] = set()

    def begin(self, owner: str, key: str, fingerprint: str) -> Noted:
        """Note a key down and say what to do; what runs is to be ended by `end`."""
        with self._lock:
            if (owner, key) in self._running:
                wait = {"Retry-After": "1"}
                return Noted(
                    refusal=problem(
                        409, f"a request with Idempotency-Key {key[:80]!r} is still running", headers=wait
                    )
                )
            self._running.add((owner, key))
        try:
            noted = self._note(owner, key, fingerprint)
        except BaseException:
            self.end(owner, key)
            raise
        if not noted.once:
            self.end(owner, key)
        return noted

    def _note(self, owner: str, key: str, fingerprint: str) -> Noted:
        now = time.time()
        with self._writes.begin() as session:
            one_at_a_time(session.connection())
            session.execute(delete(OnceRow).where(OnceRow.created_at < now - LIFETIME))
            row = session.get(OnceRow, (owner, key))
            if row is None:
                row = OnceRow(owner=owner, key=key, fingerprint=fingerprint, created_at=now)
                session.add(row)
            elif row.fingerprint != fingerprint:
                said = f"Idempotency-Key {key[:80]!r} was used for another request; take a new one for this"
                return Noted(refusal=problem(422, said))
            elif row.status is not None:
                answer = Response(row.body, row.status, json.loads(row.headers or "{}"))
                answer.headers["Idempotency-Replayed"] = "true"
                return Noted(answer=answer)
            return Noted(once=_sha(f"{owner}\n{key}\n{row.created_at!r}".encode()))

    def keep(self, owner: str, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
        """Note down the answer."""
        with self._writes.begin() as session:
            row = session.get(OnceRow, (owner, key))
            if row is not None:
                row.status, row.headers, row.body = status, json.dumps(headers), body

    def forget(self, owner: str, key: str) -> None:
        """Forget a key whose request made nothing, so that it may be sent again."""
        with self._writes.begin() as session:
            session.execute(delete(OnceRow).where(OnceRow.owner == owner, OnceRow.key == key))

    def end(self, owner: str, key: str) -> None:
        """Note that a request runs no more."""
        with self._lock:
            self._running.discard((owner, key))


class Once:
    """The layer that reads Idempotency-Key. The body has been read and bounded by then; the caller is known.

    What no route takes, and what anybody may send, is passed on as it is. `stores` holds the one OnceStore from when
    the service has started.
    """

    def __init__(self, app: ASGIApp, stores: list[OnceStore]) -> None:
        self._app, self._stores = app, stores

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what was answered before, else pass on and note the answer down."""
        caller: Caller | None = scope.get("state", {}).get("caller")
        if scope["type"] != "http" or scope["method"] != "POST" or caller is None:
            await self._app(scope, receive, send)
            return
        keys = Headers(scope=scope).getlist(HEADER)
        if not keys or not is_taken(scope):
            await self._app(scope, receive, send)
            return
        if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
            answer = problem(
                400, "Idempotency-Key must be 1 to 255 visible ASCII characters without blanks, once"
            )
            await answer(scope, receive, send)
            return
        body = [await _whole(receive)]
        store, owner, key = self._stores[0], caller.owner, keys[0]
        try:
            noted = await run_in_threadpool(store.begin, owner, key, _fingerprint(scope, body[0]))
        except (SQLAlchemyError, StorageDown):
            noted = Noted(
                refusal=problem(503, "the database does not answer; try again", headers={"Retry-After": "5"})
            )
        known = noted.answer or noted.refusal
        if known is not None:
            await known(scope, receive, send)
            return
        scope["state"]["caller"] = replace(caller, once=noted.once)
        try:
            await self._app(scope, _told(body, receive), _Answering(send, store, owner, key, scope["path"]))
        finally:
            store.end(owner, key)


class _Answering:
    """Passes an answer on, and notes it down before its last part goes out."""

    def __init__(self, send: Send, store: OnceStore, owner: str, key: str, path: str) -> None:
        self._send, self._store, self._of = send, store, (owner, key)
        self._status, self._body = 500, bytearray()
        self._headers: dict[str, str] = {}
        self._path, self._unkept = path, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            self._status = int(message["status"])
            self._headers = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
            self._unkept = self._status < 300 and self._path in WITH_PICTURES
        elif message["type"] == "http.response.body":
            if not self._unkept:
                self._body += message.get("body", b"")
                self._unkept = len(self._body) > MOST_KEPT
            if not message.get("more_body", False):
                with suppress(SQLAlchemyError, StorageDown):  # sent again, it runs again over the same job
                    await run_in_threadpool(self._note)
        await self._send(message)

    def _note(self) -> None:
        refused = 400 <= self._status < 500
        streamed = "text/event-stream" in self._headers.get("content-type", "")
        # What was cancelled or withheld was made all the same.
        if refused and "limner-job" not in self._headers:
            self._store.forget(*self._of)
        elif (refused or self._status < 300) and not (self._unkept or streamed):
            self._store.keep(*self._of, self._status, self._headers, bytes(self._body))


def _fingerprint(scope: Scope, body: bytes) -> str:
    """What a request is, whatever boundary its client chose between the parts of a form."""
    kind = dict(scope["headers"]).get(b"content-type", b"")
    boundary = _BOUNDARY.search(kind) if kind.lower().startswith(b"multipart/") else None
    if boundary is not None:
        body = body.replace(boundary.group(1), b"")
        kind = b"multipart"
    parts = [scope["method"].encode(), scope["path"].encode(), scope.get("query_string", b""), kind, body]
    return _sha(b"\n".join(hashlib.sha256(part).digest() for part in parts))


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _told(body: list[bytes], receive: Receive) -> Receive:
    """Hands out the one `body`, and holds it no longer: the call may wait long for what it asked."""

    async def again() -> Message:
        if not body:
            return await receive()
        return {"type": "http.request", "body": body.pop(), "more_body": False}

    return again


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
