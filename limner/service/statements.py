"""What is said to the tables of jobs and their pictures at every picture, as statements that are made once.

They go by SQLAlchemy's Core. Made once and read as plain rows, a statement takes a fourth of the processor's time that
it takes by the ORM, and on a small machine that time is taken from the engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, func, insert, select, update

from .schema import ImageRow, JobRow

assert isinstance(JobRow.__table__, Table) and isinstance(ImageRow.__table__, Table)
JOBS, IMAGES = JobRow.__table__, ImageRow.__table__
_job = JOBS.c

BY_ID = select(JOBS).where(_job.id == bindparam("job"))
BY_ID_LOCKED = BY_ID.with_for_update()
BY_ONCE = select(JOBS).where(_job.once == bindparam("of"))
_HELD = BY_ID.where(_job.state == "running", _job.worker == bindparam("by")).with_for_update()
STILL_QUEUED = (
    select(JOBS)
    .where(_job.number == bindparam("which"), _job.state == "queued")
    .with_for_update(skip_locked=True)  # another service may just be taking it
)
LINE = select(_job.number, _job.id, _job.owner, _job.priority, _job.cost).where(_job.state == "queued")
WAITING = select(_job.owner, func.count().label("jobs")).where(_job.state == "queued").group_by(_job.owner)

QUEUE = insert(JOBS).returning(JOBS)
ADD_PICTURE, DROP_PICTURE = (
    insert(IMAGES),
    delete(IMAGES).where(IMAGES.c.job == bindparam("of"), IMAGES.c.index == bindparam("which")),
)
TAKE = (
    update(JOBS)
    .where(_job.number == bindparam("which"))
    .values(
        state="running",
        worker=bindparam("by"),
        leased_until=bindparam("until"),
        attempts=_job.attempts + 1,
        started_at=func.coalesce(_job.started_at, bindparam("now")),
    )
    .returning(JOBS)
)
SUCCEED = (
    update(JOBS)
    .where(_job.number == bindparam("which"))
    .values(state="succeeded", error=None, finished_at=bindparam("now"), worker=None, leased_until=None)
    .returning(JOBS)
)
_PICTURES_OF = select(IMAGES).where(IMAGES.c.job == bindparam("job")).order_by(IMAGES.c.index)
_PICTURES = (
    select(IMAGES)
    .where(IMAGES.c.job.in_(bindparam("jobs", expanding=True)))
    .order_by(IMAGES.c.job, IMAGES.c.index)
)
_KNOWN = (
    select(IMAGES)
    .join(JOBS, IMAGES.c.job == _job.number)
    .where(_job.owner == bindparam("by"), IMAGES.c.digest == bindparam("same"))
    .order_by(IMAGES.c.job.desc(), IMAGES.c.index.desc())
    .limit(1)
)


def first(connection: Connection, query: Select[Any], **values: object) -> Row[Any] | None:
    """The one row of a query, if there is one."""
    return connection.execute(query, values).first()


def held(connection: Connection, worker: str, job: str) -> Row[Any] | None:
    """The row of a job that `worker` holds, None where it does not."""
    return first(connection, _HELD, job=job, by=worker)


def pictures_of(connection: Connection, job: int) -> Sequence[Row[Any]]:
    """The rows of the pictures of the job with that number, in their order."""
    return connection.execute(_PICTURES_OF, {"job": job}).all()


def pictures(connection: Connection, jobs: Iterable[int]) -> dict[int, list[Row[Any]]]:
    """The rows of the pictures of jobs, by the job's number, in their order; of a job without pictures none."""
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(_PICTURES, {"jobs": list(jobs)}):
        found[row.job].append(row)
    return found


def known(connection: Connection, owner: str, digests: Iterable[str]) -> list[Row[Any]]:
    """The rows of the newest pictures of `owner` with these digests, one of each that there is."""
    found = (first(connection, _KNOWN, by=owner, same=digest) for digest in digests)
    return [row for row in found if row is not None]


def change(connection: Connection, number: int, **values: object) -> Row[Any]:
    """Change columns of the job with that number; the row as it is then."""
    return connection.execute(
        update(JOBS).where(_job.number == number).values(**values).returning(JOBS)
    ).one()
