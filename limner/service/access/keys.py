"""API keys: made, listed, revoked, rotated, recognised. Only the digest of a secret is kept.

A secret is `limner_ID_` and 256 random bits. Because nobody can guess those, a plain SHA-256 of the whole is as good as
a slow hash, and a request is recognised in one look-up by ID. That one comes with every request, so it goes past the
object mapper, which takes four times as long.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, select
from sqlalchemy.orm import Session, sessionmaker

from ...errors import InvalidInput, NotFound
from ..database import one_at_a_time
from ..schema import KeyRow, SessionRow
from .caller import SCOPES, Caller, Scope

PREFIX = "limner_"
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 100.0
_ANY = select(KeyRow.id).limit(1)
_BY_ID = select(KeyRow.__table__).where(KeyRow.id == bindparam("identity"))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")


@dataclass(frozen=True)
class Key:
    """A key as the database has it; times are seconds since 1970.

    `quota` is compute units a day, `rate` requests a minute; None: no limit of its own. `weight` is its share of the
    time that there is, 1 unless it is told otherwise.
    """

    id: str
    name: str
    owner: str
    scopes: frozenset[Scope]
    quota: int | None
    rate: float | None
    created_at: float
    revoked_at: float | None
    weight: float = 1.0

    @property
    def prefix(self) -> str:
        """What its secret begins with."""
        return PREFIX + self.id

    @property
    def caller(self) -> Caller:
        """Whoever sends it."""
        return Caller(self.id, self.owner, self.scopes, self.name, self.quota, self.rate)


_WEIGHTS = (
    select(KeyRow.owner, func.max(KeyRow.weight).label("weight"))
    .where(KeyRow.owner.in_(bindparam("owners", expanding=True)), KeyRow.revoked_at.is_(None))
    .group_by(KeyRow.owner)
)


class KeyStore:
    """The keys of one database. Safe to use from many threads and from several processes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reads = sessionmaker(engine)
        self._writes = sessionmaker(engine.execution_options(write=True))
        self._required = False

    def required(self) -> bool:
        """Whether a key was ever made. Revoking the last one closes the service; it does not open it."""
        if not self._required:
            with self.engine.connect() as connection:
                self._required = connection.scalar(_ANY) is not None
        return self._required

    def create(
        self,
        name: str,
        scopes: Iterable[str] = ("draw", "read"),
        owner_of: str | None = None,
        quota: int | None = None,
        rate: float | None = None,
        weight: float = 1.0,
    ) -> tuple[Key, str]:
        """A new key and its secret, which is told this once.

        With `owner_of`, the name or prefix of another key, it sees what that one sees. InvalidInput where the name is
        taken or anything is out of range, NotFound without that other key.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(
                f"key name {name[:80]!r} cannot be used: 1 to 60 letters, digits, spaces, '.', '_' and '-'",
                "name",
            )
        if quota is not None and not 0 < quota < 2**62:
            raise InvalidInput(f"quota {quota} cannot be used: 1 or more compute units a day", "quota")
        if rate is not None and not 0 < rate <= 1_000_000:
            raise InvalidInput(
                f"rate {rate:g} cannot be used: above 0, at most 1000000 requests a minute", "rate"
            )
        _check_weight(weight)
        wanted = _scopes(scopes)
        with self._writes.begin() as session:
            one_at_a_time(session.connection())
            taken = session.scalar(select(KeyRow).where(KeyRow.name == name, KeyRow.revoked_at.is_(None)))
            if taken is not None:
                raise InvalidInput(
                    f"key '{name}' is there already: choose another name, or rotate it", "name"
                )
            identity = secrets.token_hex(6)
            secret = _secret(identity)
            row = KeyRow(
                id=identity,
                name=name,
                owner=identity if owner_of is None else _row(session, owner_of).owner,
                digest=_digest(secret),
                scopes=" ".join(wanted),
                quota=quota,
                rate=rate,
                weight=weight,
                created_at=time.time(),
            )
            session.add(row)
            session.flush()
            return _key(row), secret

    def all(self) -> list[Key]:
        """Every key that was made, revoked ones too, oldest first."""
        with self._reads.begin() as session:
            return [_key(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created_at))]

    def revoke(self, name: str) -> Key:
        """Let a key in no more, from its next request on; NotFound without it."""
        with self._writes.begin() as session:
            row = _row(session, name)
            row.revoked_at = row.revoked_at or time.time()
            return _key(row)

    def rotate(self, name: str) -> tuple[Key, str]:
        """A new secret in place of the old one, which is let in no more, nor are browsers signed in with it.

        NotFound without it, InvalidInput where it is revoked.
        """
        with self._writes.begin() as session:
            row = _row(session, name)
            if row.revoked_at is not None:
                raise InvalidInput(
                    f"key '{row.name}' is revoked: make another with `limner keys create`", "name"
                )
            secret = _secret(row.id)
            row.digest = _digest(secret)
            session.execute(delete(SessionRow).where(SessionRow.key == row.id))
            return _key(row), secret

    def weigh(self, name: str, weight: float) -> Key:
        """Give a key another share of the time, from now on; NotFound without it, InvalidInput out of range."""
        _check_weight(weight)
        with self._writes.begin() as session:
            row = _row(session, name)
            row.weight = weight
            return _key(row)

    def recognise(self, secret: str) -> Key | None:
        """The key of a secret; None where there is none, or none any more."""
        identity = secret.removeprefix(PREFIX).partition("_")[0]
        row = self._found(identity) if secret.startswith(PREFIX) and identity.isalnum() else None
        if row is None or not hmac.compare_digest(row.digest, _digest(secret)):
            return None
        return _key(row) if row.revoked_at is None else None

    def get(self, identity: str) -> Key | None:
        """The key with that id, unless it is revoked."""
        row = self._found(identity)
        return None if row is None or row.revoked_at is not None else _key(row)

    def _found(self, identity: str) -> Row[Any] | None:
        with self.engine.connect() as connection:
            return connection.execute(_BY_ID, {"identity": identity}).first()


def weights(connection: Connection, owners: Collection[str]) -> dict[str, float]:
    """The weights of those of the owners that have keys in force; of several keys the largest."""
    return {row.owner: row.weight for row in connection.execute(_WEIGHTS, {"owners": list(owners)})}


def _check_weight(weight: float) -> None:
    if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        raise InvalidInput(
            f"weight {weight:g} cannot be used: {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, 1 is an equal share",
            "weight",
        )


def _scopes(asked: Iterable[str]) -> list[Scope]:
    names = list(asked)
    wrong = [name for name in names if name not in SCOPES]
    if wrong or not names:
        raise InvalidInput(
            f"scope '{(wrong or [''])[0][:80]}' not known: choose from {', '.join(SCOPES)}", "scopes"
        )
    return [scope for scope in SCOPES if scope in names]


def _secret(identity: str) -> str:
    return f"{PREFIX}{identity}_{secrets.token_urlsafe(32)}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _row(session: Session, name: str) -> KeyRow:
    """By name, rather one that is in force, or by id or prefix."""
    named = select(KeyRow).where(KeyRow.name == name).order_by(KeyRow.revoked_at.is_(None).desc())
    row = session.scalar(named.order_by(KeyRow.created_at.desc()).limit(1))
    row = row or session.get(KeyRow, name.removeprefix(PREFIX))
    if row is None:
        known = session.scalars(select(KeyRow.name).where(KeyRow.revoked_at.is_(None)).limit(9)).all()
        raise NotFound(f"no key '{name[:80]}'; known: {', '.join(known) or 'none'}")
    return row


def _key(row: KeyRow | Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        owner=row.owner,
        scopes=frozenset(cast(list[Scope], row.scopes.split())),
        quota=row.quota,
        rate=row.rate,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        weight=row.weight,
    )
