"""From a finished picture to one that is kept: its file, what came with it, its row."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..engine.request import Picture
from .beside import keep_beside
from .images import ImageStore
from .jobs import Image, Job, JobStore
from .results import digest
from .watching.sights import PictureKept, Watching


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
