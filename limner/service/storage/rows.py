"""Tables as lines of JSON, read and written through SQLAlchemy, so that a backup of one database fits any other.

The tables are those of the schema of this Limner that the database has. Others may lie in the same schema of a
PostgreSQL: they are somebody else's, and are neither read nor changed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

from sqlalchemy import Connection, Integer, MetaData, Table, func, select, text

from ...errors import InvalidInput
from ..schema import Base, IdentityRow

VERSIONS = "alembic_version"
_OWN = frozenset(Base.metadata.tables)
_AT_ONCE = 500


def tables_of(connection: Connection) -> list[Table]:
    """Limner's tables but Alembic's own, those that others refer to first."""
    return _reflected(connection, _OWN).sorted_tables


def others(names: Iterable[str]) -> list[str]:
    """Those of these tables that are not Limner's."""
    return sorted(set(names) - _OWN - {VERSIONS})


def drop(connection: Connection) -> None:
    """Drop Limner's tables, Alembic's own too."""
    _reflected(connection, _OWN | {VERSIONS}).drop_all(connection)


def empty(connection: Connection) -> bool:
    """Whether there is no row in any table, but for that which names the database."""
    tables = [table for table in tables_of(connection) if table.name != IdentityRow.__tablename__]
    return all(connection.execute(select(table).limit(1)).first() is None for table in tables)


def write_rows(connection: Connection, table: Table, file: IO[bytes]) -> int:
    """Write a table: its columns, then a line a row in the order of its key; gives the number of rows."""
    file.write(_line([column.name for column in table.columns]))
    ordered = select(table).order_by(*table.primary_key.columns)
    count = 0
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(ordered):
        file.write(_line([_plain(value) for value in row]))
        count += 1
    return count


def read_rows(connection: Connection, table: Table, file: Iterable[bytes]) -> int:
    """Put what `write_rows` wrote into an empty table; InvalidInput where it does not fit."""
    lines = iter(file)
    columns = json.loads(next(lines, b"[]"))
    unknown = sorted(set(columns) - set(table.columns.keys()))
    if unknown:
        raise InvalidInput(
            f"the backup's table {table.name} has a column {unknown[0]!r} that is not known here"
        )
    count = 0
    for batch in _batches(lines):
        rows = [dict(zip(columns, map(_rich, json.loads(line)), strict=True)) for line in batch]
        connection.execute(table.insert(), rows)
        count += len(rows)
    _count_on(connection, table)
    return count


def _reflected(connection: Connection, names: frozenset[str]) -> MetaData:
    known = MetaData()
    known.reflect(connection, only=lambda name, _: name in names)
    return known


def _count_on(connection: Connection, table: Table) -> None:
    """Have the next row of a numbered table get the next number."""
    keys = list(table.primary_key.columns)
    if connection.dialect.name != "postgresql" or len(keys) != 1 or not isinstance(keys[0].type, Integer):
        return
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"),
        {"table": f'"{table.name}"', "column": keys[0].name},
    ).scalar()
    last = connection.execute(select(func.max(keys[0]))).scalar()
    if sequence is not None and last is not None:
        connection.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :last)"), {"sequence": sequence, "last": last}
        )


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return {"bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["bytes"]) if "bytes" in value else datetime.fromisoformat(value["time"])
    return value
