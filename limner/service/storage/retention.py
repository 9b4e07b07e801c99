"""What may go: jobs and uploads past their time, the oldest jobs where there is no room, and pictures that nothing
names.

A job that waits or is drawn is never touched, nor one with a picture that somebody pinned, and a picture goes only
when no other job shows it. What nothing names, and an upload by its age, goes only from a store whose one mark is this
database's: where another uses it, too, what this one does not name may be the other's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from ...answers import FINAL
from ...errors import StorageDown
from ..database import identity
from ..forgetting import forget
from ..images import ImageStore
from ..jobs import Beside
from ..schema import HoldingRow, ImageRow, JobRow, PinRow
from .blobs import Kept

DAY = 24 * 3600.0
HOUR = 3600.0
_AT_ONCE = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """How long and how much is kept: `days` after a job's end or an upload, `space` bytes of pictures of jobs; None: no
    limit."""

    days: float | None = None
    space: int | None = None


@dataclass(frozen=True)
class Swept:
    """How many jobs were forgotten, and how many pictures that nothing named were removed, or left as they may be
    another database's."""

    jobs: int
    orphans: int
    left: int = 0


def sweep(
    engine: Engine,
    images: ImageStore,
    uploads: ImageStore,
    policy: Policy,
    now: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Swept:
    """Let go of the jobs that the policy does not keep, oldest first, with their pictures in both stores, of `uploads`
    that are older than it says, and of `images` that nothing has named for a day.

    Once it is `stopped` it forgets no further job. StorageDown where the database or the store takes no call; what is
    left is swept the next time.
    """
    now = time.time() if now is None else now
    jobs = 0

    def remove(image: str) -> None:
        images.delete(image)
        uploads.delete(image)

    oldest = None if policy.days is None else now - policy.days * DAY
    if oldest is not None:
        while old := _ended(engine, before=oldest):
            for job in old:
                if stopped():
                    return Swept(jobs, 0)
                forget(engine, job, remove)
                jobs += 1
    if policy.space is not None:
        jobs += _make_room(engine, images, policy.space, remove, stopped)
    if stopped():
        return Swept(jobs, 0)
    named, unnamed = _apart(engine, images)
    if not _is_own(engine, images, len(named), len(unnamed)):
        return Swept(jobs, 0, sum(each.since < now - DAY for each in unnamed))
    if oldest is not None:
        for each in list(uploads.list()):
            if each.since < oldest:
                uploads.delete(each.name, before=oldest)
    return Swept(jobs, sum(images.delete(each.name, before=now - DAY) for each in unnamed))


def let_go_of_gone(engine: Engine, stores: Collection[ImageStore]) -> int:
    """Nobody holds any more what is in none of the stores and named by no job; how many pictures that were.

    StorageDown as `sweep`.
    """
    with Session(engine) as session:
        held = set(session.scalars(select(HoldingRow.image).distinct()))
    # Listed afterwards: what is put meanwhile is then there.
    gone = held - {each.name for store in stores for each in store.list()} - _named(engine)
    return sum(_let_go(engine, stores, image) for image in sorted(gone))


def _let_go(engine: Engine, stores: Collection[ImageStore], image: str) -> bool:
    """Delete first and look then: who puts it before that look is spared, and who does after it notes it down anew."""
    with engine.execution_options(write=True).connect() as connection, connection.begin() as change:
        connection.execute(delete(HoldingRow).where(HoldingRow.image == image))
        if any(store.has(image) for store in stores):
            change.rollback()
            return False
    return True


def orphans(engine: Engine, images: ImageStore) -> dict[str, int]:
    """Size in bytes by the name of each picture that no job names."""
    return {each.name: each.size for each in _apart(engine, images)[1]}


def _apart(engine: Engine, images: ImageStore) -> tuple[list[Kept], list[Kept]]:
    """The pictures that jobs name, and those that none names."""
    # Listed first: what is put and noted down meanwhile is then not in the list.
    kept, named = list(images.list()), _named(engine)
    return [each for each in kept if each.name in named], [each for each in kept if each.name not in named]


def _is_own(engine: Engine, images: ImageStore, named: int, unnamed: int) -> bool:
    """Whether this database alone uses the store, by its marks.

    It marks one that has no mark where it names at least half of what is there, which may be nothing; and one that
    others have marked where it names something there, so that they spare that.
    """
    own = identity(engine)
    owners = images.owners()
    if own not in owners and (named > 0 if owners else named >= unnamed):
        owners = images.owners(claim=own)
    return owners == {own}


def _ended(engine: Engine, before: float | None = None) -> list[str]:
    pinned = (
        select(PinRow.image)
        .join(ImageRow, ImageRow.image == PinRow.image)
        .where(ImageRow.job == JobRow.number)
    )
    query = select(JobRow.id).where(JobRow.state.in_(FINAL), ~pinned.exists())
    query = query.order_by(JobRow.number).limit(_AT_ONCE)
    if before is not None:
        query = query.where(JobRow.finished_at < before)
    with Session(engine) as session:
        return list(session.scalars(query))


def _make_room(
    engine: Engine,
    images: ImageStore,
    space: int,
    remove: Callable[[str], None],
    stopped: Callable[[], bool],
) -> int:
    sizes, named = {each.name: each.size for each in images.list()}, _named(engine)
    total, jobs = sum(size for name, size in sizes.items() if name in named), 0

    def make_room(image: str) -> None:
        nonlocal total
        remove(image)
        total -= sizes.pop(image, 0)

    while total > space and (oldest := _ended(engine)):
        for job in oldest:
            if total <= space or stopped():
                return jobs
            forget(engine, job, make_room)
            jobs += 1
    return jobs


def _named(engine: Engine) -> set[str]:
    with Session(engine) as session:
        named = set[str]()
        for image, beside in session.execute(select(ImageRow.image, ImageRow.beside)):
            named |= {image, *(() if beside is None else Beside.model_validate_json(beside).ids)}
        for begun in (JobRow.image, JobRow.mask):
            named.update(name for name in session.scalars(select(begun).distinct()) if name is not None)
    return named


class Sweeper:
    """Sweeps at the start, and then once in `every` seconds, until it is stopped."""

    def __init__(self, run: Callable[[Callable[[], bool]], Swept], every: float = HOUR) -> None:
        """`run` sweeps, and ends early where what it is given says that it is stopped."""
        self._run, self._every = run, every
        self._stopped, self._warned = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a job that is being forgotten is forgotten first."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                swept = self._run(self._stopped.is_set)
                if swept.jobs or swept.orphans:
                    log.info("swept %d jobs and %d pictures that nothing named", swept.jobs, swept.orphans)
                if swept.left and not self._warned:
                    self._warned = True
                    log.warning(
                        "%d pictures that no job here names are not removed, for they may be another database's: "
                        "name the right --images, --database or --data-dir, or see docs/storage.md, 'What may go'",
                        swept.left,
                    )
            except StorageDown as error:
                log.warning("the sweep waits for the next time: %s", error)
            except Exception:
                log.exception("the sweep met an error and is tried again later")
            self._stopped.wait(self._every)
