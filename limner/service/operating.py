"""What an operator does with jobs that failed: look at them, have them tried again."""

from __future__ import annotations

from sqlalchemy import Engine, select
from sqlalchemy.orm import sessionmaker

from ..errors import InvalidInput, NotFound
from .jobs import Job, JobStore
from .schema import JobRow


def failed(engine: Engine, limit: int) -> list[Job]:
    """Up to `limit` jobs that failed, newest first."""
    with sessionmaker(engine).begin() as session:
        query = select(JobRow.id).where(JobRow.state == "failed").order_by(JobRow.number.desc()).limit(limit)
        ids = list(session.scalars(query))
    found = {job.id: job for job in JobStore(engine).several(ids)}
    return [found[job] for job in ids if job in found]


def retry(engine: Engine, job: str) -> None:
    """Queue a job that failed again, at its old place, with all its tries before it; what was drawn stays, and gates
    look again at what they withheld.

    It is charged to nobody. NotFound without it, InvalidInput where it did not fail.
    """
    with sessionmaker(engine.execution_options(write=True)).begin() as session:
        row = session.scalar(select(JobRow).where(JobRow.id == job).with_for_update())
        if row is None:
            raise NotFound(f"no job {job[:80]!r}; `limner jobs failed` lists them")
        if row.state != "failed":
            raise InvalidInput(
                f"job '{row.id}' is {row.state}: only one that failed can be tried again", "job"
            )
        row.state, row.error, row.finished_at = "queued", None, None
        row.attempts = row.losses = row.losses_alone = 0
        row.strikes, row.withheld = None if row.strikes is None else 0, None
