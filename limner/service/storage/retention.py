"""What may go: jobs past their time, the oldest ones where there is no room, and pictures that nothing names.

A job that waits or is drawn is never touched, nor one with a picture that its owner pinned, and a picture goes only
when no other job shows it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from ...answers import FINAL
from ...engine.request import DrawRequest
from ...errors import StorageDown
from ..forgetting import forget
from ..images import ImageStore
from ..jobs import Beside
from ..schema import ImageRow, JobRow, PinRow

DAY = 24 * 3600.0
HOUR = 3600.0
_AT_ONCE = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """How long and how much is kept: `days` after a job's end, `space` bytes of pictures of jobs; None: no limit."""

    days: float | None = None
    space: int | None = None


@dataclass(frozen=True)
class Swept:
    """How many jobs were forgotten, and how many pictures that nothing named were removed."""

    jobs: int
    orphans: int


def sweep(engine: Engine, images: ImageStore, policy: Policy, now: float | None = None) -> Swept:
    """Let go of what the policy does not keep, oldest first, and of pictures that nothing has named for a day.

    StorageDown where the database or the store takes no call; what is left is swept the next time.
    """
    now = time.time() if now is None else now
    jobs = 0

    def remove(image: str) -> None:
        images.delete(image)

    if policy.days is not None:
        while old := _ended(engine, before=now - policy.days * DAY):
            for job in old:
                forget(engine, job, remove)
            jobs += len(old)
    if policy.space is not None:
        jobs += _make_room(engine, images, policy.space)
    return Swept(jobs, sum(images.delete(name, before=now - DAY) for name in orphans(engine, images)))


def orphans(engine: Engine, images: ImageStore) -> dict[str, int]:
    """Size in bytes by the name of each picture that no job names."""
    # Listed first: what is put and noted down meanwhile is then not in the list.
    kept = {each.name: each.size for each in images.list()}
    named = _named(engine)
    return {name: size for name, size in kept.items() if name not in named}


def _ended(engine: Engine, before: float | None = None) -> list[str]:
    pinned = (
        select(PinRow.image)
        .join(ImageRow, ImageRow.image == PinRow.image)
        .where(ImageRow.job == JobRow.number, PinRow.owner == JobRow.owner)
    )
    query = select(JobRow.id).where(JobRow.state.in_(FINAL), ~pinned.exists())
    query = query.order_by(JobRow.number).limit(_AT_ONCE)
    if before is not None:
        query = query.where(JobRow.finished_at < before)
    with Session(engine) as session:
        return list(session.scalars(query))


def _make_room(engine: Engine, images: ImageStore, space: int) -> int:
    sizes, named = {each.name: each.size for each in images.list()}, _named(engine)
    total, jobs = sum(size for name, size in sizes.items() if name in named), 0

    def remove(image: str) -> None:
        nonlocal total
        if images.delete(image):
            total -= sizes.get(image, 0)

    while total > space and (oldest := _ended(engine)):
        for job in oldest:
            if total <= space:
                break
            forget(engine, job, remove)
            jobs += 1
    return jobs


def _named(engine: Engine) -> set[str]:
    with Session(engine) as session:
        named = set[str]()
        for image, beside in session.execute(select(ImageRow.image, ImageRow.beside)):
            named |= {image, *(() if beside is None else Beside.model_validate_json(beside).ids)}
        for text in session.scalars(select(JobRow.request)):
            request = DrawRequest.model_validate_json(text)
            named |= {name for name in (request.image, request.mask) if name is not None}
    return named


class Sweeper:
    """Sweeps at the start, and then once in `every` seconds, until it is stopped."""

    def __init__(self, run: Callable[[], Swept], every: float = HOUR) -> None:
        self._run, self._every = run, every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a sweep that runs ends first."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                swept = self._run()
                if swept != Swept(0, 0):
                    log.info("swept %d jobs and %d pictures that nothing named", swept.jobs, swept.orphans)
            except StorageDown as error:
                log.warning("the sweep waits for the next time: %s", error)
            except Exception:
                log.exception("the sweep met an error and is tried again later")
            self._stopped.wait(self._every)
