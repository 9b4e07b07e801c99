"""How full the queue is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from .schema import JobRow


@dataclass(frozen=True)
class QueueState:
    """How many jobs wait and how many are drawn; the oldest that waits was accepted `oldest` seconds ago, 0 where none
    does."""

    waiting: int
    running: int
    oldest: float


def look_at_queue(engine: Engine) -> QueueState:
    """The queue of a database as it is now."""
    counted = func.count(), func.min(JobRow.created_at)
    query = (
        select(JobRow.state, *counted).where(JobRow.state.in_(("queued", "running"))).group_by(JobRow.state)
    )
    with Session(engine) as session:
        found = {state: (count, first) for state, count, first in session.execute(query)}
    waiting, first = found.get("queued", (0, None))
    return QueueState(
        waiting, found.get("running", (0, None))[0], 0.0 if first is None else max(0.0, time.time() - first)
    )
