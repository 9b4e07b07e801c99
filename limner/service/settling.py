"""What becomes of a job when nothing of it is drawn any more: ended, queued again, or set aside."""

from __future__ import annotations

import logging

from ..errors import Damaged, InvalidInput, Lost, NotFound
from .access.quotas import cost
from .jobs import Job, JobStore
from .notes import Running

log = logging.getLogger(__name__)


def settled(store: JobStore, worker: str, running: Running) -> Job:
    """The job of `worker`, ended or given back; NotFound where it was forgotten meanwhile."""
    job, error = running.job, running.error
    if running.ended is not None:
        return running.ended
    now = store.get(job.id)
    if running.cancelled:
        return now
    if error is None and len(now.decided) == job.n:
        return store.finish(worker, job.id, None if now.images else _withheld(now))
    if error is None and running.leaving:
        return store.give_back(worker, job.id)
    if isinstance(error, Lost):
        now = store.lose(worker, job.id, sentence(error), running.alone, error.from_outside)
        log.warning("job %s was lost with its engine; it is %s", job.id, now.state, extra={"job": job.id})
        return now
    if isinstance(error, (InvalidInput, NotFound, Damaged)):
        return store.finish(worker, job.id, str(error))
    reason = "drawing stopped before its end" if error is None else sentence(error)
    return store.give_back(worker, job.id, reason)


def _withheld(job: Job) -> str:
    reasons = dict.fromkeys(f"gate '{each.gate}': {each.reason}" for each in job.withheld)
    return ("withheld by " if job.n == 1 else "all pictures are withheld by ") + "; ".join(reasons)


def spent(running: Running) -> int:
    """Pixels times steps that were taken of the pictures that were given up."""
    one = cost(running.job.request, 1) // (running.job.request.steps_taken or 1)
    return one * sum(running.steps.get(index, 0) for index in running.given_up)


def sentence(error: Exception) -> str:
    """An error in one line."""
    return str(error).split("\n", 1)[0][:500] or type(error).__name__
