"""Jobs and their states, kept in the database: what was accepted is there after any kind of stop.

queued -> running -> succeeded | failed | cancelled; a running job goes back to queued when its worker
stops or fails, until it failed MAX_ATTEMPTS times. Only the worker that holds a job may change it, apart from
cancelling, which anyone may do.

Where the engine or the service ends while several jobs are drawn, one of them may be poison. From then on each of
them is suspected, and a suspected job is drawn with none beside it. There the end speaks against that job, and
MAX_STRIKES ends of the engine, or MAX_LOSSES of the service, set it aside as failed, while the others are drawn.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Engine, func, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from ..answers import FINAL, Priority, State, WithheldView
from ..engine.request import DrawRequest
from ..errors import Busy, NotFound
from .access.caller import EVERYBODY, Caller
from .access.holdings import hold
from .access.keys import weights
from .access.quotas import charge, cost, give_back
from .database import is_shared, one_at_a_time
from .fairness import Shares, Waiting
from .readings import Said
from .records import Beside, Image, Job, Stored, as_job, as_row, withheld_of, withheld_text
from .results import known
from .schema import JobRow

__all__ = ["MAX_ATTEMPTS", "MAX_LOSSES", "MAX_STRIKES", "Beside", "Image", "Job", "JobStore", "Stored"]

MAX_ATTEMPTS = 3
MAX_LOSSES = 10
MAX_STRIKES = 3


class JobStore:
    """The jobs of one database. `limit` bounds how many may wait. Safe to use from many threads.

    `shared` says whether other services may draw them too.
    """

    def __init__(self, engine: Engine, limit: int = 64) -> None:
        self._reads = sessionmaker(engine)
        self._writes = sessionmaker(engine.execution_options(write=True))
        self._soon = sessionmaker(engine.execution_options(write=True, durable=False))
        self.limit, self._shares = limit, Shares()
        self.shared = is_shared(engine)

    def add(
        self,
        request: DrawRequest,
        n: int,
        retry_after: float = 1.0,
        caller: Caller = EVERYBODY,
        priority: Priority = "interactive",
        said: Said | None = None,
        reused: Sequence[Image] = (),
    ) -> Job:
        """Queue a job of `caller`; it is on the disk when this returns. One that was made of the same `once` it gives.

        Of the pictures, those that are `reused` (`results.drawn_before`) are there from the start, unless they went
        meanwhile, and cost nothing; with all of them the job has succeeded. Else Busy when `limit` jobs wait,
        OverLimit where the caller's quota does not do.
        """
        with self._writes.begin() as session:
            one_at_a_time(session.connection())
            if (made := _made(session, caller)) is not None:
                return self._job(session, made)
            left = {image.digest: image.id for image in known(session, caller.owner, _digests(reused))}
            there = [image for image in reused if left.get(image.digest) == image.id]
            amount, now, done = cost(request, n - len(there)), time.time(), len(there) == n
            if not done:
                self._check_room(session, retry_after)
                charge(session, caller, amount, now)
            row = JobRow(
                id=secrets.token_hex(12),
                owner=caller.owner,
                key=caller.key,
                cost=amount,
                once=caller.once,
                state="succeeded" if done else "queued",
                request=request.model_dump_json(),
                prompt=request.prompt if said is None else said.prompt,
                said=None if said is None else said.model_dump_json(),
                n=n,
                priority=priority,
                created_at=now,
                started_at=now if done else None,
                finished_at=now if done else None,
            )
            session.add(row)
            session.flush()
            session.add_all(as_row(row.number, image) for image in there)
            session.flush()
            return self._job(session, row)

    def made(self, caller: Caller) -> Job | None:
        """The job that was made of the caller's `once`."""
        if caller.once is None:
            return None
        with self._reads.begin() as session:
            row = _made(session, caller)
            return None if row is None else self._job(session, row)

    def check_room(self, retry_after: float = 1.0) -> None:
        """Raise Busy when `limit` jobs wait."""
        with self._reads.begin() as session:
            self._check_room(session, retry_after)

    def _check_room(self, session: Session, retry_after: float) -> None:
        waiting = session.scalar(select(func.count()).where(JobRow.state == "queued")) or 0
        if waiting >= self.limit:
            raise Busy(f"{waiting} jobs are waiting, which is all the queue takes", retry_after)

    def get(self, job: str, owner: str | None = None) -> Job:
        """The job with that id, with `owner` only one of theirs; NotFound where there is none."""
        with self._reads.begin() as session:
            return self._job(session, _row(session, job, owner))

    def page(
        self,
        limit: int,
        before: str | None = None,
        owner: str | None = None,
        wanted: Sequence[ColumnElement[bool]] = (),
    ) -> list[Job]:
        """Up to `limit` jobs that are `wanted`, newest first, with `owner` only theirs, from the one made before job
        `before`; NotFound without it."""
        with self._reads.begin() as session:
            query = select(JobRow).where(*wanted).order_by(JobRow.number.desc()).limit(limit)
            if owner is not None:
                query = query.where(JobRow.owner == owner)
            if before is not None:
                query = query.where(JobRow.number < _row(session, before, owner).number)
            line = self._line(session)
            return [self._job(session, row, line) for row in session.scalars(query)]

    def waiting(self) -> list[str]:
        """Ids of the queued jobs, next first."""
        with self._reads.begin() as session:
            return [waiting.job for waiting in self._line(session)]

    def ready(self) -> bool:
        """Whether the database answers."""
        with self._reads.begin() as session:
            return session.scalar(select(func.count()).select_from(JobRow)) is not None

    def cancel(self, job: str, owner: str | None = None) -> Job:
        """Cancel a job, with `owner` only one of theirs, that is queued or running; one that is done stays as it is.
        NotFound without it."""
        with self._writes.begin() as session:
            row = _row(session, job, owner, locked=True)
            if row.state not in FINAL:
                _end(session, row, "cancelled", None)
            return self._job(session, row)

    def take(self, worker: str, lease: float, alone: bool = True, bulk: bool = True) -> Job | None:
        """Hand the next queued job to `worker` for `lease` seconds; None when none waits.

        None, too, where the next one must be drawn alone, and `worker` is not `alone`: others are drawn beside it.
        Without `bulk` none of those is handed out. A power cut may undo it: then the job waits.
        """
        with self._soon.begin() as session:
            line = self._line(session, charging=True)
            for waiting in line:
                if waiting.bulk and not bulk:
                    continue
                query = select(JobRow).where(JobRow.number == waiting.number, JobRow.state == "queued")
                row = session.scalar(query.with_for_update(skip_locked=True))
                if row is None:
                    continue  # another service is just taking it
                if row.strikes is not None and not alone:
                    return None
                now = time.time()
                row.state, row.worker, row.leased_until = "running", worker, now + lease
                row.attempts += 1
                row.started_at = row.started_at or now
                self._shares.give(waiting, line)
                return self._job(session, row)
            return None

    def renew(self, worker: str, lease: float) -> None:
        """Hold all jobs of `worker` for `lease` seconds from now."""
        with self._writes.begin() as session:
            mine = update(JobRow).where(JobRow.state == "running", JobRow.worker == worker)
            session.execute(mine.values(leased_until=time.time() + lease))

    def held(self, worker: str) -> frozenset[str]:
        """Ids of the jobs that `worker` holds."""
        with self._reads.begin() as session:
            query = select(JobRow.id).where(JobRow.state == "running", JobRow.worker == worker)
            return frozenset(session.scalars(query))

    def several(self, jobs: Collection[str]) -> list[Job]:
        """Those of the jobs that there are."""
        with self._reads.begin() as session:
            return [
                self._job(session, row) for row in session.scalars(select(JobRow).where(JobRow.id.in_(jobs)))
            ]

    def record(self, worker: str, job: str, image: Image) -> Job | None:
        """Add a picture to a job that `worker` holds, and end it with the last; None when it holds it no longer."""
        with self._writes.begin() as session:
            row = _held(session, worker, job)
            if row is None:
                return None
            drawn = as_row(row.number, image)
            if any(each.index == image.index for each in row.images):
                session.merge(drawn)
            else:
                row.images.append(drawn)
                row.images.sort(key=lambda each: each.index)
            hold(session, row.owner, [image.id, *image.beside.ids])
            if len(self._job(session, row).decided) == row.n:
                _end(session, row, "succeeded", None)
            return self._job(session, row)

    def withhold(self, worker: str, job: str, withheld: WithheldView) -> bool:
        """Note of a job that `worker` holds that a gate withholds a picture; False when it no longer does."""
        with self._writes.begin() as session:
            row = _held(session, worker, job)
            if row is None:
                return False
            others = [each for each in withheld_of(row) if each.index != withheld.index]
            row.withheld = withheld_text(tuple(sorted([*others, withheld], key=lambda each: each.index)))
            return True

    def finish(self, worker: str, job: str, error: str | None = None) -> Job:
        """End a job that `worker` holds: succeeded, or failed with `error`. Otherwise it stays as it is."""
        with self._writes.begin() as session:
            row = _held(session, worker, job)
            if row is not None:
                _end(session, row, "succeeded" if error is None else "failed", error)
            return self._job(session, _row(session, job))

    def give_back(self, worker: str, job: str, error: str | None = None) -> Job:
        """Queue a job that `worker` holds again, at its old place.

        With an `error` the attempt counts, and the last of MAX_ATTEMPTS fails the job; without, it does not.
        """
        with self._writes.begin() as session:
            row = _held(session, worker, job)
            if row is not None:
                if error is not None and row.attempts - row.losses >= MAX_ATTEMPTS:
                    _end(session, row, "failed", f"{error} (tried {row.attempts} times)")
                else:
                    row.attempts -= error is None
                    _queue_again(row)
            return self._job(session, _row(session, job))

    def lose(self, worker: str, job: str, error: str, alone: bool, from_outside: bool = False) -> Job:
        """Queue a job again, at its old place, whose engine ended while it was drawn, for the reason `error`.

        Where it was drawn `alone` that is a strike against it, and strike number MAX_STRIKES fails it; in company it
        is suspected from now on, and no more. Where the engine was ended `from_outside` neither, MAX_LOSSES times: what
        is always ended by somebody may be ended for what the job does, as by a watchdog over memory.
        """
        with self._writes.begin() as session:
            row = _held(session, worker, job)
            if row is not None:
                row.losses += 1
                if not from_outside or row.losses > MAX_LOSSES:
                    row.strikes = (row.strikes or 0) + alone
                if (row.strikes or 0) >= MAX_STRIKES:
                    _end(
                        session,
                        row,
                        "failed",
                        f"set aside, for it ends the engine: {error} ({row.strikes} times)",
                    )
                else:
                    _queue_again(row)
            return self._job(session, _row(session, job))

    def recover(self, worker: str, lost: bool = False) -> list[Job]:
        """Queue again what other workers hold past their lease, or, with `lost`, all that others hold.

        Losing a job says nothing against it. Where several were lost together they are suspected from now on; only the
        loss number MAX_LOSSES of a job that was drawn alone fails it: that many look as if it brings the service down.
        Returns the jobs that changed.
        """
        held: list[ColumnElement[bool]] = [
            JobRow.state == "running",
            JobRow.worker != worker,
        ]
        if not lost:
            held.append(or_(JobRow.leased_until.is_(None), JobRow.leased_until < time.time()))
        with self._writes.begin() as session:
            # Two services look at once: each takes up what the other has not.
            rows = list(session.scalars(select(JobRow).where(*held).with_for_update(skip_locked=True)))
            together = Counter(row.worker for row in rows)
            for row in rows:
                alone = together[row.worker] == 1
                row.losses += 1
                row.losses_alone += alone
                if row.losses_alone >= MAX_LOSSES:
                    told = f"the service stopped {row.losses_alone} times while it drew nothing but this"
                    _end(session, row, "failed", told)
                else:
                    row.strikes = row.strikes if alone else row.strikes or 0
                    _queue_again(row)
            session.flush()
            return [self._job(session, row) for row in rows]

    def _line(self, session: Session, charging: bool = False) -> list[Waiting]:
        """What waits, next first. Weights order no jobs of one owner, but count in what is charged (`charging`)."""
        columns = JobRow.number, JobRow.id, JobRow.owner, JobRow.priority, JobRow.cost
        rows = session.execute(select(*columns).where(JobRow.state == "queued")).all()
        owners = {row.owner for row in rows}
        by_owner = weights(session, owners) if len(owners) > 1 or (owners and charging) else {}
        waiting = [
            Waiting(number, owner, priority == "bulk", max(1, cost), by_owner.get(owner, 1.0), job)
            for number, job, owner, priority, cost in rows
        ]
        return self._shares.order(waiting)

    def _job(self, session: Session, row: JobRow, line: list[Waiting] | None = None) -> Job:
        if row.state != "queued":
            return as_job(row, None)
        numbers = [waiting.number for waiting in (self._line(session) if line is None else line)]
        return as_job(row, 1 + numbers.index(row.number) if row.number in numbers else len(numbers) + 1)


def _digests(images: Sequence[Image]) -> list[str]:
    return [image.digest for image in images if image.digest is not None]


def _made(session: Session, caller: Caller) -> JobRow | None:
    if caller.once is None:
        return None
    return session.scalar(select(JobRow).where(JobRow.once == caller.once))


def _row(session: Session, job: str, owner: str | None = None, locked: bool = False) -> JobRow:
    query = select(JobRow).where(JobRow.id == job)
    row = session.scalar(query.with_for_update() if locked else query)
    if row is None or owner not in (None, row.owner):
        raise NotFound(f"no job {job[:80]!r}")
    return row


def _held(session: Session, worker: str, job: str) -> JobRow | None:
    query = select(JobRow).where(JobRow.id == job, JobRow.state == "running", JobRow.worker == worker)
    return session.scalar(query.with_for_update())


def _end(session: Session, row: JobRow, state: State, error: str | None) -> None:
    if state != "succeeded":
        one = cost(DrawRequest.model_validate_json(row.request), 1)
        drawn = sum(not image.reused for image in row.images) + len(withheld_of(row))
        not_drawn = max(0, row.cost - one * drawn)
        give_back(session, row.key, not_drawn, row.created_at)
        row.cost -= not_drawn
    row.state, row.error, row.finished_at = state, error, time.time()
    row.worker = row.leased_until = None


def _queue_again(row: JobRow) -> None:
    row.state, row.worker, row.leased_until = "queued", None, None
