"""What devices asked, kept until they have been told the end: a request is drawn once, however often it comes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, delete, select
from sqlalchemy.orm import Session, sessionmaker

from ..database import one_at_a_time
from ..schema import DeviceRequestRow
from .turn import Turn

KEPT = 30 * 86_400
"""Seconds after which a request whose end was told is forgotten."""


@dataclass(frozen=True)
class Kept:
    """Request `request` of `device`: what was `asked`, until that is noted to be a job, and the job; `once` stands for
    it and for no other, of the same name, that comes after it was dropped."""

    device: str
    request: str
    asked: str
    job: str | None
    once: str


class Inbox:
    """The requests of one database. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._reads = sessionmaker(engine)
        self._writes = sessionmaker(engine.execution_options(write=True))
        self._engine = engine

    def turn(self, devices: str) -> Turn:
        """The turn at the devices of a broker and prefix."""
        return Turn(self._engine, devices)

    def take(self, device: str, request: str, asked: str) -> Kept:
        """Keep a request; of one that came before, what was kept then."""
        with self._writes.begin() as session:
            one_at_a_time(session.connection())
            _forget_old(session, DeviceRequestRow.device == device)
            row = session.get(DeviceRequestRow, (device, request))
            if row is None:
                row = DeviceRequestRow(device=device, request=request, asked=asked, created_at=time.time())
                session.add(row)
            return _kept(row)

    def accepted(self, kept: Kept, job: str) -> None:
        """Note which job a request became; what was asked then stays as long as that job does."""
        self._change(kept, job=job, asked="")

    def told(self, kept: Kept) -> None:
        """Note that the device has been told the end."""
        self._change(kept, told_at=time.time())

    def drop(self, kept: Kept) -> None:
        """Forget a request that did not become a job: it may come again."""
        with self._writes.begin() as session:
            row = session.get(DeviceRequestRow, (kept.device, kept.request))
            if row is not None:
                session.delete(row)

    def untold(self) -> list[Kept]:
        """The requests whose end is still to be told, oldest first; forgets those that were told long ago."""
        with self._writes.begin() as session:
            _forget_old(session)
            query = select(DeviceRequestRow).where(DeviceRequestRow.told_at.is_(None))
            return [_kept(row) for row in session.scalars(query.order_by(DeviceRequestRow.created_at))]

    def _change(self, kept: Kept, **values: object) -> None:
        with self._writes.begin() as session:
            row = session.get(DeviceRequestRow, (kept.device, kept.request))
            if row is not None:
                for name, value in values.items():
                    setattr(row, name, value)


def _forget_old(session: Session, *of: ColumnElement[bool]) -> None:
    session.execute(delete(DeviceRequestRow).where(DeviceRequestRow.told_at < time.time() - KEPT, *of))


def _kept(row: DeviceRequestRow) -> Kept:
    once = hashlib.sha256(f"mqtt\n{row.device}\n{row.request}\n{row.created_at!r}".encode()).hexdigest()
    return Kept(row.device, row.request, row.asked, row.job, once)
