"""Which owner holds which picture. Pictures are named by their content, so several owners may hold the same one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from ..schema import HoldingRow
from .caller import Caller

_HELD = select(HoldingRow.image).where(
    HoldingRow.owner == bindparam("by"), HoldingRow.image == bindparam("which")
)

_HOLD = {
    "postgresql": postgresql.insert(HoldingRow).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(HoldingRow).on_conflict_do_nothing(),
}


class Holdings:
    """The holdings of one database. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writes = engine.execution_options(write=True)

    def hold(self, owner: str, images: Iterable[str]) -> None:
        """Note that `owner` holds `images`."""
        with self._writes.begin() as connection:
            hold(connection, owner, images)

    def visible(self, caller: Caller, image: str) -> bool:
        """Whether `caller` may see a picture, whether or not it is there."""
        if caller.sees is None:
            return True
        with self._engine.connect() as connection:
            return connection.execute(_HELD, {"by": caller.sees, "which": image}).first() is not None

    def let_go(self, owner: str, images: Iterable[str]) -> set[str]:
        """Note that `owner` no longer holds `images`; tells which of them nobody holds any more."""
        names = set(images)
        with self._writes.begin() as connection:
            connection.execute(
                delete(HoldingRow).where(HoldingRow.owner == owner, HoldingRow.image.in_(names))
            )
            left = connection.scalars(select(HoldingRow.image).where(HoldingRow.image.in_(names)))
            return names - set(left)


def hold(connection: Connection, owner: str, images: Iterable[str]) -> None:
    """Note within a transaction that `owner` holds `images`, whoever notes it at the same time."""
    rows = [{"owner": owner, "image": image} for image in images]
    if rows:
        connection.execute(_HOLD[connection.dialect.name], rows)
