"""A browser's sign-in: a key sent once, from then on a cookie, which scripts cannot read and other sites cannot use.

Of the cookie only a digest is kept. A session ends by itself after LIFETIME, when it is ended, and with its key.
"""

from __future__ import annotations

import hashlib
import secrets
import time

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, bindparam, delete, select
from sqlalchemy.orm import sessionmaker
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from ...errors import InvalidInput
from ..problems import documented, problem
from ..schema import SessionRow
from .caller import Calling
from .keys import Key, KeyStore

COOKIE = "limner_session"
LET_GO = '"cache"'  # of Clear-Site-Data: pictures that the browser keeps
LIFETIME = 30 * 24 * 3600
_BY_DIGEST = select(SessionRow.__table__).where(SessionRow.digest == bindparam("cookie"))
router = APIRouter()


class Sessions:
    """The sessions of one database. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writes = sessionmaker(engine.execution_options(write=True))

    def begin(self, key: Key) -> str:
        """The cookie of a new session of `key`. Forgets those that have run out."""
        cookie, now = secrets.token_urlsafe(32), time.time()
        with self._writes.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            session.add(SessionRow(digest=_digest(cookie), key=key.id, expires_at=now + LIFETIME))
        return cookie

    def key(self, cookie: str) -> str | None:
        """The id of the key that a session was begun with; None where there is none, or none any more."""
        with self._engine.connect() as connection:
            row = connection.execute(_BY_DIGEST, {"cookie": _digest(cookie)}).first()
        return None if row is None or row.expires_at < time.time() else str(row.key)

    def end(self, cookie: str) -> None:
        """End a session, where there is one."""
        with self._writes.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == _digest(cookie)))


class SignIn(BaseModel):
    """The secret of a key."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(min_length=1, max_length=200)


class SessionView(BaseModel):
    """Who is signed in: the key's `name` and `scopes`. `open`: the service has no keys, and asks for none."""

    name: str
    scopes: list[str]
    open: bool


def cookie_of(headers: Headers) -> str | None:
    """The session's cookie that a request with these headers brings."""
    return cookie_parser(headers.get("cookie", "")).get(_name(headers))


@router.post(
    "/v1/session",
    status_code=201,
    response_model=SessionView,
    responses=documented(400, 401, 403, 413, 415, 421, 422, 503),
    summary="Sign a browser in",
)
def sign_in(request: Request, response: Response, asked: SignIn) -> SessionView | Response:
    """Begin a session with a key: the answer sets a cookie, which goes with every further request of this browser."""
    keys: KeyStore = request.app.state.service.keys
    sessions: Sessions = request.app.state.service.sessions
    key = keys.recognise(asked.key)
    if key is None:
        if not keys.required():
            raise InvalidInput("this service has no keys and needs none", "key")
        return problem(401, "no key in force has this secret", headers={"WWW-Authenticate": "Bearer"})
    response.set_cookie(
        _name(request.headers),
        sessions.begin(key),
        max_age=LIFETIME,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"
    return SessionView(name=key.name, scopes=sorted(key.scopes), open=False)


@router.get("/v1/session", response_model=SessionView, responses=documented(401), summary="Who is signed in")
def get_session(response: Response, caller: Calling) -> SessionView:
    """Who the service takes the sender of this request for."""
    response.headers["Cache-Control"] = "no-store"
    return SessionView(name=caller.name, scopes=sorted(caller.scopes), open=caller.key is None)


@router.delete("/v1/session", status_code=204, responses=documented(401, 403), summary="Sign a browser out")
def sign_out(request: Request, response: Response, caller: Calling) -> None:
    """End the session of this browser, which lets go of the pictures that it keeps (`Clear-Site-Data`)."""
    sessions: Sessions = request.app.state.service.sessions
    cookie = cookie_of(request.headers)
    if cookie is not None:
        sessions.end(cookie)
    response.delete_cookie(_name(request.headers), httponly=True, samesite="strict")
    response.headers["Clear-Site-Data"] = LET_GO


def _name(headers: Headers) -> str:
    """The cookie's name, by the port that is asked: browsers send the cookies of a host to all of its ports."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
