"""What other services on the same database do to jobs that are followed here."""

from __future__ import annotations

from ..answers import QueuedNote
from .events import Feeds
from .jobs import JobStore
from .wire import image_link, job_view


class Elsewhere:
    """Brings the feeds of this process up to what the database says: pictures and ends, not steps."""

    def __init__(self, store: JobStore, feeds: Feeds) -> None:
        self._store, self._feeds = store, feeds

    def look(self, here: frozenset[str]) -> None:
        """Publish what became of the jobs with a feed, apart from those that are drawn `here`."""
        followed = self._feeds.jobs() - here
        found = self._store.several(followed) if followed else []
        for gone in followed - {job.id for job in found}:
            self._feeds.of(gone).close()
            self._feeds.drop(gone)
        for job in found:
            feed = self._feeds.of(job.id)
            if job.position is not None:
                feed.publish("queued", QueuedNote(position=job.position))
            for image in job.images:
                feed.publish("image", image_link(image), picture=image.index)
            for each in job.withheld:
                feed.publish("withheld", each, picture=each.index)
            if job.final:
                feed.publish(job.state, job_view(job, feed.step))
                self._feeds.drop(job.id)
