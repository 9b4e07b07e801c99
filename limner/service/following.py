"""Following a job to its end, whether it is still to come or has come already."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from .events import Feed
from .jobs import Job
from .service import Service
from .wire import image_link, job_view


def feed_of(service: Service, job_id: str, sees: str | None = None) -> tuple[Job, Feed]:
    """A job as it is, and a feed that leads to its end; of one that is done it tells the pictures, what is withheld and
    the end again.

    NotFound without the job; with `sees`, as without it where it is another owner's.
    """
    feed = service.feeds.known(job_id)
    if feed is None:  # none is made for a job that is not there, or done
        job = service.store.get(job_id, sees)
        if job.final:
            return job, _told_again(job)
        feed = service.feeds.of(job_id)
    job = service.store.get(job_id, sees)
    if not job.final:
        return job, feed
    # The runner may be between the job's end and telling it: whoever follows this feed must still hear.
    for image in job.images:
        feed.publish("image", image_link(image), picture=image.index)
    for each in job.withheld:
        feed.publish("withheld", each, picture=each.index)
    feed.publish(job.state, job_view(job, feed.step))
    service.feeds.drop(job_id)
    return job, _told_again(job)


def _told_again(job: Job) -> Feed:
    # The end gets the time of the end, which is never after the id it had in the feed it first came in.
    feed = Feed(start=int((job.finished_at or 0) * 1000) - len(job.images) - len(job.withheld) - 1)
    for image in job.images:
        feed.publish("image", image_link(image), picture=image.index)
    for each in job.withheld:
        feed.publish("withheld", each, picture=each.index)
    feed.publish(job.state, job_view(job))
    return feed


async def ended(service: Service, job_id: str, patience: float) -> Job:
    """The job at its end, or as it is where the service stops before; TimeoutError after `patience` seconds."""
    async with asyncio.timeout(patience):
        while True:
            known = service.feeds.known(job_id)  # leads to the end without a look at the database
            if known is not None:
                feed = known
            else:
                job, feed = await run_in_threadpool(feed_of, service, job_id)
                if job.final:
                    return job
            async for _ in feed.messages(0):
                pass
            if feed.ended is not None:
                return feed.ended
            job = await run_in_threadpool(service.store.get, job_id)
            if job.final or service.draining:
                return job
