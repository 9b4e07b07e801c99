"""From a finished picture to one that is kept: its file, what came with it, its row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine, select, update

from ..engine.request import Picture
from .access.holdings import hold
from .beside import keep_beside
from .images import ImageStore
from .jobs import Beside, Image, Job, JobStore, Stored
from .results import digest
from .schema import ImageRow, JobRow
from .watching.sights import PictureKept, Watching


def note_pages(engine: Engine, job: str, index: int, pages: Sequence[Stored]) -> None:
    """Note which pages were made of picture `index` of a job, where that is still there."""
    with engine.execution_options(write=True).begin() as connection:
        of = JobRow.id == job, ImageRow.job == JobRow.number, ImageRow.index == index
        found = connection.execute(
            select(JobRow.number, JobRow.owner, ImageRow.beside).where(*of).with_for_update()
        ).first()
        if found is None:
            return
        beside = Beside() if found.beside is None else Beside.model_validate_json(found.beside)
        beside = beside.model_copy(update={"pages": tuple(pages)})
        this = ImageRow.job == found.number, ImageRow.index == index
        connection.execute(update(ImageRow).where(*this).values(beside=beside.model_dump_json()))
        hold(connection, found.owner, [page.id for page in pages])


@dataclass(frozen=True)
class Keeper:
    """Keeps pictures of jobs that `worker` holds: `encode` makes a PNG of one, `watching` is told.

    `mark` says what, besides what draws it, a picture depends on (`Service.mark`).
    """

    store: JobStore
    images: ImageStore
    encode: Callable[[Picture], bytes]
    worker: str
    watching: Watching
    mark: str = ""

    def keep(self, job: Job, index: int, picture: Picture, identity: str | None) -> Job | None:
        """Keep picture `index` of a job, to be known again by the `identity` of what drew it; gives the job with it.

        None where the job is no longer held. StorageDown while nothing can be kept.
        """
        height, width = picture.pixels.shape[:2]
        beside = keep_beside(self.images, picture)
        clock = time.perf_counter()
        png = self.encode(picture)
        encoded = time.perf_counter()
        image = self.images.put(png)
        stored = time.perf_counter()
        entry = Image(index, image, picture.request.own_seed, width, height, picture.seconds, beside)
        if identity is not None:
            entry = replace(entry, digest=digest(job.request.nth(index), identity + self.mark))
        now = self.store.record(self.worker, job.id, entry)
        if now is None:
            return None
        if not self.images.has(image):  # somebody let the same picture go just before it was noted down
            self.images.put(png)
            keep_beside(self.images, picture)
        self.watching(PictureKept(job, entry, encoded - clock, stored - encoded))
        return now
