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
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, or_, select, update

from ..answers import FINAL, Priority, State, WithheldView
from ..engine.request import DrawRequest
from ..errors import Busy, NotFound
from . import records, statements
from .access.caller import EVERYBODY, Caller
from .access.holdings import hold
from .access.keys import weights
from .access.quotas import charge, charge_again, cost, give_back
from .database import is_shared, one_at_a_time
from .fairness import Shares, Waiting, full, place
from .places import Promise
from .readings import Said
from .records import Beside, Image, Job, Stored
from .results import still_there
from .statements import JOBS

__all__ = ["MAX_ATTEMPTS", "MAX_LOSSES", "MAX_STRIKES", "Beside", "Image", "Job", "JobStore", "Stored"]

MAX_ATTEMPTS = 3
MAX_LOSSES = 10
MAX_STRIKES = 3


class JobStore:
    """The jobs of one database. `limit` bounds how many may wait (`check_room`). Safe to use from many threads.

    `shared` says whether other services may draw them too.
    """

    def __init__(self, engine: Engine, limit: int = 64) -> None:
        self._reads = engine
        self._writes = engine.execution_options(write=True)
        self._soon = engine.execution_options(write=True, durable=False)
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
        derived_from: str | None = None,
        promise: Promise | None = None,
    ) -> Job:
        """Queue a job of `caller`; it is on the disk when this returns. One that was made of the same `once` it gives.

        Of the pictures, those that are `reused` (`results.drawn_before`) are there from the start, unless they went
        meanwhile, and cost nothing; with all of them the job has succeeded. Else Busy as of `check_room`, OverLimit
        where the caller's quota does not do. With the `promise` of a place it runs at once, where no other job waits.
        """
        with self._writes.begin() as connection:
            one_at_a_time(connection)
            if (made := _made(connection, caller)) is not None:
                return self._job(connection, made)
            there = still_there(connection, caller.owner, reused)
            amount, now = cost(request, n - len(there)), time.time()
            done, at_once = len(there) == n, False
            if not done:
                self._check_room(connection, retry_after, caller, priority)
                charge(connection, caller, amount, now)
            values = {
                "id": secrets.token_hex(12),
                "owner": caller.owner,
                "key": caller.key,
                "cost": amount,
                "once": caller.once,
                "state": "succeeded" if done else "queued",
                "request": request.model_dump_json(),
                "image": request.image,
                "mask": request.mask,
                "prompt": request.prompt if said is None else said.prompt,
                "said": None if said is None else said.model_dump_json(),
                "derived_from": derived_from,
                "n": n,
                "priority": priority,
                "created_at": now,
                "started_at": now if done else None,
                "finished_at": now if done else None,
            }
            row = connection.execute(statements.QUEUE, values).one()
            if there:
                connection.execute(
                    statements.ADD_PICTURE, [records.as_values(row.number, image) for image in there]
                )
            if promise is not None and not done:
                line = self._line(connection, charging=True)
                if at_once := [waiting.number for waiting in line] == [row.number]:
                    row = self._hand_out(connection, line[0], line, promise.worker, promise.lease)
            job = self._job(connection, row, there)
        if promise is not None and at_once:
            promise.job = job
        return job

    def made(self, caller: Caller) -> Job | None:
        """The job that was made of the caller's `once`."""
        if caller.once is None:
            return None
        with self._reads.begin() as connection:
            row = _made(connection, caller)
            return None if row is None else self._job(connection, row)

    def check_room(
        self, retry_after: float = 1.0, caller: Caller = EVERYBODY, priority: Priority = "interactive"
    ) -> None:
        """Raise Busy where the queue takes no such job of `caller` (`fairness.full`)."""
        with self._reads.begin() as connection:
            self._check_room(connection, retry_after, caller, priority)

    def _check_room(
        self, connection: Connection, retry_after: float, caller: Caller, priority: Priority
    ) -> None:
        waiting = {row.owner: row.jobs for row in connection.execute(statements.WAITING)}
        bulk = priority == "bulk"
        if full(waiting, caller.owner, bulk, self.limit):
            told = "more bulk" if bulk else "more of yours"
            raise Busy(
                f"{sum(waiting.values())} jobs are waiting, and the queue takes no {told}", retry_after
            )

    def get(self, job: str, owner: str | None = None) -> Job:
        """The job with that id, with `owner` only one of theirs; NotFound where there is none."""
        with self._reads.begin() as connection:
            return self._job(connection, _row(connection, job, owner))

    def page(
        self,
        limit: int,
        before: str | None = None,
        owner: str | None = None,
        wanted: Sequence[ColumnElement[bool]] = (),
    ) -> list[Job]:
        """Up to `limit` jobs that are `wanted`, newest first, with `owner` only theirs, from the one made before job
        `before`; NotFound without it."""
        with self._reads.begin() as connection:
            query = select(JOBS).where(*wanted).order_by(JOBS.c.number.desc()).limit(limit)
            if owner is not None:
                query = query.where(JOBS.c.owner == owner)
            if before is not None:
                query = query.where(JOBS.c.number < _row(connection, before, owner).number)
            return self._jobs(connection, connection.execute(query).all())

    def waiting(self) -> list[str]:
        """Ids of the queued jobs, next first."""
        with self._reads.begin() as connection:
            return [waiting.job for waiting in self._line(connection)]

    def ready(self) -> bool:
        """Whether the database answers."""
        with self._reads.begin() as connection:
            connection.execute(statements.WAITING)
            return True

    def cancel(self, job: str, owner: str | None = None) -> Job:
        """Cancel a job, with `owner` only one of theirs, that is queued or running; one that is done stays as it is.
        NotFound without it."""
        with self._writes.begin() as connection:
            row = _row(connection, job, owner, locked=True)
            now = row if row.state in FINAL else _end(connection, row, "cancelled", None)
            return self._job(connection, now)

    def take(self, worker: str, lease: float, alone: bool = True, bulk: bool = True) -> Job | None:
        """Hand the next queued job to `worker` for `lease` seconds; None when none waits.

        None, too, where the next one must be drawn alone, and `worker` is not `alone`: others are drawn beside it.
        Without `bulk` none of those is handed out. A power cut may undo it: then the job waits.
        """
        with self._soon.begin() as connection:
            line = self._line(connection, charging=True)
            for waiting in line:
                if waiting.bulk and not bulk:
                    continue
                row = statements.first(connection, statements.STILL_QUEUED, which=waiting.number)
                if row is None:
                    continue  # another service is just taking it
                if row.strikes is not None and not alone:
                    return None
                return self._job(connection, self._hand_out(connection, waiting, line, worker, lease))
            return None

    def _hand_out(
        self, connection: Connection, job: Waiting, line: Sequence[Waiting], worker: str, lease: float
    ) -> Row[Any]:
        """Give `worker` a job, one of those that wait in `line`; its row as it is then."""
        now = time.time()
        held = {"which": job.number, "by": worker, "until": now + lease, "now": now}
        row = connection.execute(statements.TAKE, held).one()
        self._shares.give(job, line)
        return row

    def renew(self, worker: str, lease: float, jobs: Collection[str]) -> None:
        """Hold those of the jobs that are `worker`'s for `lease` seconds from now."""
        with self._writes.begin() as connection:
            mine = JOBS.c.state == "running", JOBS.c.worker == worker, JOBS.c.id.in_(jobs)
            connection.execute(update(JOBS).where(*mine).values(leased_until=time.time() + lease))

    def held(self, worker: str) -> frozenset[str]:
        """Ids of the jobs that `worker` holds."""
        with self._reads.begin() as connection:
            query = select(JOBS.c.id).where(JOBS.c.state == "running", JOBS.c.worker == worker)
            return frozenset(connection.scalars(query))

    def several(self, jobs: Collection[str]) -> list[Job]:
        """Those of the jobs that there are."""
        with self._reads.begin() as connection:
            return self._jobs(connection, connection.execute(select(JOBS).where(JOBS.c.id.in_(jobs))).all())

    def record(self, worker: str, job: str, image: Image) -> Job | None:
        """Add a picture to a job that `worker` holds, and end it with the last; None when it holds it no longer."""
        with self._writes.begin() as connection:
            row = statements.held(connection, worker, job)
            if row is None:
                return None
            before = records.images_of(connection, row)
            others = [each for each in before if each.index != image.index]
            if len(others) < len(before):  # an earlier one in its place
                drop = {"of": row.number, "which": image.index}
                connection.execute(statements.DROP_PICTURE, drop)
            connection.execute(statements.ADD_PICTURE, records.as_values(row.number, image))
            hold(connection, row.owner, [image.id, *image.beside.ids])
            now = self._job(connection, row, sorted([*others, image], key=lambda each: each.index))
            if len(now.decided) < now.n:
                return now
            return self._job(connection, _end(connection, row, "succeeded", None), now.images)

    def withhold(self, worker: str, job: str, withheld: WithheldView) -> bool:
        """Note of a job that `worker` holds that a gate withholds a picture; False when it no longer does."""
        with self._writes.begin() as connection:
            row = statements.held(connection, worker, job)
            if row is None:
                return False
            others = [each for each in records.withheld_of(row) if each.index != withheld.index]
            told = records.withheld_text(tuple(sorted([*others, withheld], key=lambda each: each.index)))
            statements.change(connection, row.number, withheld=told)
            return True

    def finish(self, worker: str, job: str, error: str | None = None) -> Job:
        """End a job that `worker` holds: succeeded, or failed with `error`. Otherwise it stays as it is."""
        with self._writes.begin() as connection:
            row = statements.held(connection, worker, job)
            if row is None:
                return self._job(connection, _row(connection, job))
            state: State = "succeeded" if error is None else "failed"
            return self._job(connection, _end(connection, row, state, error))

    def give_back(self, worker: str, job: str, error: str | None = None) -> Job:
        """Queue a job that `worker` holds again, at its old place.

        With an `error` the attempt counts, and the last of MAX_ATTEMPTS fails the job; without, it does not.
        """
        with self._writes.begin() as connection:
            row = statements.held(connection, worker, job)
            if row is None:
                now = _row(connection, job)
            elif error is not None and row.attempts - row.losses >= MAX_ATTEMPTS:
                now = _end(connection, row, "failed", f"{error} (tried {row.attempts} times)")
            else:
                now = _queue_again(connection, row, attempts=row.attempts - (error is None))
            return self._job(connection, now)

    def lose(self, worker: str, job: str, error: str, alone: bool, from_outside: bool = False) -> Job:
        """Queue a job again, at its old place, whose engine ended while it was drawn, for the reason `error`.

        Where it was drawn `alone` that is a strike against it, and strike number MAX_STRIKES fails it; in company it
        is suspected from now on, and no more. Where the engine was ended `from_outside` neither, MAX_LOSSES times: what
        is always ended by somebody may be ended for what the job does, as by a watchdog over memory.
        """
        with self._writes.begin() as connection:
            row = statements.held(connection, worker, job)
            if row is None:
                return self._job(connection, _row(connection, job))
            losses, strikes = row.losses + 1, row.strikes
            if not from_outside or losses > MAX_LOSSES:
                strikes = (strikes or 0) + alone
            counted = {"losses": losses, "strikes": strikes}
            if (strikes or 0) >= MAX_STRIKES:
                told = f"set aside, for it ends the engine: {error} ({strikes} times)"
                now = _end(connection, row, "failed", told, **counted)
            else:
                now = _queue_again(connection, row, **counted)
            return self._job(connection, now)

    def spent(self, job: Job, work: int) -> None:
        """Charge a job that was cancelled `work`, of `cost`: what was drawn of pictures that it does not have."""
        with self._writes.begin() as connection:
            charge_again(connection, job.key, work, job.created_at)

    def recover(self, worker: str, lost: bool = False) -> list[Job]:
        """Queue again what is held past its lease, by `worker` too, or, with `lost`, all that others hold.

        Losing a job says nothing against it. Where several were lost together they are suspected from now on; only the
        loss number MAX_LOSSES of a job that was drawn alone fails it: that many look as if it brings the service down.
        Returns the jobs that changed.
        """
        lapsed = or_(JOBS.c.leased_until.is_(None), JOBS.c.leased_until < time.time())
        held = JOBS.c.state == "running", (JOBS.c.worker != worker) if lost else lapsed
        with self._writes.begin() as connection:
            # Two services look at once: each takes up what the other has not.
            query = select(JOBS).where(*held).with_for_update(skip_locked=True)
            rows, changed = connection.execute(query).all(), []
            together = Counter(row.worker for row in rows)
            for row in rows:
                alone = together[row.worker] == 1
                times = row.losses_alone + alone
                counted = {"losses": row.losses + 1, "losses_alone": times}
                if times >= MAX_LOSSES:
                    told = f"the service stopped {times} times while it drew nothing but this"
                    changed.append(_end(connection, row, "failed", told, **counted))
                else:
                    strikes = row.strikes if alone else row.strikes or 0
                    changed.append(_queue_again(connection, row, strikes=strikes, **counted))
            return self._jobs(connection, changed)

    def _line(self, connection: Connection, charging: bool = False) -> list[Waiting]:
        """What waits, next first. Weights order no jobs of one owner, but count in what is charged (`charging`)."""
        rows = connection.execute(statements.LINE).all()
        owners = {row.owner for row in rows}
        by_owner = weights(connection, owners) if len(owners) > 1 or (owners and charging) else {}
        waiting = [
            Waiting(number, owner, priority == "bulk", max(1, cost), by_owner.get(owner, 1.0), job)
            for number, job, owner, priority, cost in rows
        ]
        return self._shares.order(waiting)

    def _job(self, connection: Connection, row: Row[Any], images: Sequence[Image] | None = None) -> Job:
        """A row as the job that it is, with its `images` where they are known already."""
        if images is None:
            images = records.images_of(connection, row)
        return records.as_job(
            row, images, place(row.number, self._line(connection)) if row.state == "queued" else None
        )

    def _jobs(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
        images = records.images_of_all(connection, rows)
        line = self._line(connection) if any(row.state == "queued" for row in rows) else []
        return [
            records.as_job(
                row, images[row.number], place(row.number, line) if row.state == "queued" else None
            )
            for row in rows
        ]


def _made(connection: Connection, caller: Caller) -> Row[Any] | None:
    return None if caller.once is None else statements.first(connection, statements.BY_ONCE, of=caller.once)


def _row(connection: Connection, job: str, owner: str | None = None, locked: bool = False) -> Row[Any]:
    row = statements.first(connection, statements.BY_ID_LOCKED if locked else statements.BY_ID, job=job)
    if row is None or owner not in (None, row.owner):
        raise NotFound(f"no job {job[:80]!r}")
    return row


def _end(
    connection: Connection, row: Row[Any], state: State, error: str | None, **counted: int | None
) -> Row[Any]:
    if state == "succeeded":
        return connection.execute(statements.SUCCEED, {"which": row.number, "now": time.time()}).one()
    one = cost(DrawRequest.model_validate_json(row.request), 1)
    drawn = sum(not image.reused for image in records.images_of(connection, row)) + len(
        records.withheld_of(row)
    )
    not_drawn = max(0, row.cost - one * drawn)
    give_back(connection, row.key, not_drawn, row.created_at)
    ended = {"state": state, "error": error, "finished_at": time.time(), "worker": None, "leased_until": None}
    return statements.change(connection, row.number, cost=row.cost - not_drawn, **ended, **counted)


def _queue_again(connection: Connection, row: Row[Any], **counted: int | None) -> Row[Any]:
    return statements.change(
        connection, row.number, state="queued", worker=None, leased_until=None, **counted
    )
