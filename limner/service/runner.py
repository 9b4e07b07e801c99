"""The runner: takes queued jobs, has the studio draw them, records what comes.

One thread owns everything; the web's threads and the engine only put notes into its inbox, but for steps, which are
told on the engine's thread as they come. A job's
pictures are started in the studio at once, and up to `parallel` jobs run side by side, so that the
engine can batch their steps. The thread also renews the leases of what it holds, and lets go of what it holds no more.

While the database or the picture store is away, finished pictures wait in memory until they can be kept, and no job
is blamed for it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ..answers import QueuedNote, WithheldView
from ..engine.request import DrawRequest, Event, Failed, Finished, Picture, Stepped
from ..engine.source import Source
from ..engine.studio import Studio
from ..errors import Lost, NotFound, Refused, StorageDown
from .beside import step_note
from .elsewhere import Elsewhere
from .events import Feeds
from .images import ImageStore
from .jobs import Job, JobStore
from .keeping import Keeper
from .notes import Accepted, Cancelled, Drain, Happened, Look, Running
from .places import Places, Promise
from .settling import sentence, settled, spent
from .watching.sights import (
    JobEnded,
    JobReturned,
    JobTaken,
    PictureFailed,
    PictureStepped,
    Watching,
)
from .wire import image_link, job_view

LEASE = 30.0
LETTING_GO = 5.0
LOOK = 1.0  # seconds between looks at what other services do, and at a store that was away
log = logging.getLogger(__name__)


class Runner:
    """Draws the jobs of `store` with `studio` until it is drained.

    `source` gives what a request is made from; `encode` makes a PNG of a picture; `worker` is this process's name in
    the job table; `parallel` is the number of jobs drawn side by side; `mark` is what, besides the engine, their
    files depend on.
    """

    def __init__(
        self,
        store: JobStore,
        images: ImageStore,
        feeds: Feeds,
        studio: Studio,
        source: Callable[[DrawRequest], Source | None],
        encode: Callable[[Picture], bytes],
        worker: str,
        parallel: int = 8,
        watching: Watching | None = None,
        mark: str = "",
    ) -> None:
        self._store, self._feeds, self._studio = store, feeds, studio
        self._source, self._worker = source, worker
        self.places = Places(parallel, worker, LEASE)
        self._tell = watching or Watching()
        self._keeper = Keeper(store, images, encode, worker, self._tell, mark)
        self._inbox: queue.SimpleQueue[Happened | Accepted | Cancelled | Look | Drain] = queue.SimpleQueue()
        self._running = self.places.running
        self._look, self._renewed, self._looked = True, 0.0, 0.0
        self._unkept: list[Happened] = []
        self._away = False
        self._elsewhere = Elsewhere(store, feeds)
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._work, name="runner", daemon=True)

    def start(self) -> None:
        """Queue again what a dead process left running, then begin.

        Of a shared database only what no living process holds: what another one left waits for its lease to run out.
        """
        for job in self._store.recover(self._worker, lost=not self._store.shared):
            log.warning("job %s was interrupted; it is %s", job.id, job.state, extra={"job": job.id})
        self._thread.start()

    def look(self) -> None:
        """Say that the queue has changed."""
        self._inbox.put(Look())

    def accepted(self, promise: Promise | None) -> None:
        """Say that a job is on the disk, or was refused, for which a place was promised, or none."""
        if promise is not None and promise.job is not None:
            self._feeds.of(promise.job.id)  # who follows it from now on needs no look at the database
        self._inbox.put(Look() if promise is None else Accepted(promise))

    def cancelled(self, job: str) -> None:
        """Say that a job was cancelled in the store, so that drawing stops."""
        self._inbox.put(Cancelled(job))

    def drain(self, limit: float) -> None:
        """Take no more jobs; give back what still runs after `limit` seconds. May be called in a signal."""
        self.places.open = False
        self._inbox.put(Drain(time.monotonic() + limit))

    def join(self) -> None:
        """Wait until a drained runner has ended."""
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while True:
            try:
                if self._turn():
                    break
                self._away = False
            except Exception as error:
                if not isinstance(error, StorageDown):
                    log.exception("the runner met an error and goes on")
                elif not self._away:
                    log.warning("the runner waits: %s", error)
                self._away = isinstance(error, StorageDown)
                self._renewed, self._look = 0.0, True  # what was cut short is taken up again
                if self._deadline is not None and time.monotonic() > self._deadline + 2 * LETTING_GO:
                    break
                time.sleep(0.5)
        self.places.open = False
        self._feeds.close()

    def _turn(self) -> bool:
        try:
            note = self._inbox.get(timeout=0.25 if self._deadline is not None else 1.0)
        except queue.Empty:
            note = None
        if isinstance(note, Happened):
            self._happened(note)
        elif isinstance(note, Accepted):
            self._accepted(note.promise)
        elif isinstance(note, Cancelled):
            self._cancel(note.job)
        elif isinstance(note, Look):
            self._look = True
        elif isinstance(note, Drain):
            self._deadline = min(note.deadline, self._deadline or note.deadline)
            self._feeds.close(but=frozenset(self._running))
        self._keep_leases()
        self._look_around()
        if self._deadline is not None:
            return self._drained(self._deadline)
        if self._look:
            self._look = False
            self._fill()
        return False

    def _keep_leases(self) -> None:
        now = time.monotonic()
        if now - self._renewed < LEASE / 3:
            return
        if self._running:
            self._store.renew(self._worker, LEASE, self._running)
            self._let_go()
        self._store.recover(self._worker)
        for running in list(self._running.values()):
            self._settle(running)
        self._renewed = now
        self._look = True

    def _look_around(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        self._keep_what_waits()
        if self._store.shared:
            self._look = True
            if self._running:
                self._let_go()
            self._elsewhere.look(frozenset(self._running))

    def _keep_what_waits(self) -> None:
        waiting, self._unkept = self._unkept, []
        try:
            while waiting and not self._unkept:
                self._happened(waiting.pop(0))
        finally:
            self._unkept += waiting

    def _let_go(self) -> None:
        """Stop what was cancelled by another service, or taken over by it because this one was not heard of."""
        held = self._store.held(self._worker)
        for job, running in list(self._running.items()):
            if job not in held and not running.cancelled:
                self._give_up(running)
                self._settle(running)

    def _drained(self, deadline: float) -> bool:
        now = time.monotonic()
        if now >= deadline:
            for running in self._running.values():
                if not running.leaving:
                    running.leaving = True
                    self._stop(running)
        if now >= deadline + LETTING_GO:
            for running in self._running.values():
                self._store.give_back(self._worker, running.job.id)
            return True
        return self.places.empty

    def _accepted(self, promise: Promise) -> None:
        with self.places.turn:
            self.places.taken(promise)
            if promise.job is not None:
                self._begin(promise.job)
                return
        self._look = True

    def _fill(self) -> None:
        waiting, taken = self._store.waiting(), False
        with self.places.turn:
            while waiting and self.places.free(bulk=False):
                alone, bulk = self.places.empty, self.places.free(bulk=True)
                job = self._store.take(self._worker, LEASE, alone, bulk)
                if job is None:
                    break
                waiting, taken = [each for each in waiting if each != job.id], True
                self._begin(job)
        if waiting and taken:
            waiting = self._store.waiting()
        for position, each in enumerate(waiting, start=1):
            self._feeds.of(each).publish("queued", QueuedNote(position=position))

    def _begin(self, job: Job) -> None:
        running = self._running[job.id] = Running(job)
        self._feeds.of(job.id).publish("queued", QueuedNote(position=1))
        self._tell(JobTaken(job))
        if len(self._running) > 1:
            for each in self._running.values():
                each.alone = False
        for image in job.images:  # drawn before the service ended, or for another job
            self._feeds.of(job.id).publish("image", image_link(image), picture=image.index)
        try:
            running.identity = self._studio.identity(job.request)
            source = self._source(job.request)
            for index in range(job.n):
                if index not in job.decided:
                    heard = self._listener(job.id, index)
                    name, bulk = f"{job.id}/{index}", job.priority == "bulk"
                    drawing = self._studio.start(job.request.nth(index), heard, source, name, bulk)
                    running.drawings[index] = drawing
        except StorageDown:
            # What it is made from cannot be had now: it goes back into the queue, at no cost.
            running.leaving = True
            self._stop(running)
            self._settle(running)
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the job's error
            self._failed(running, error)
        self._settle(running)

    def _listener(self, job: str, index: int) -> Callable[[Event], None]:
        def heard(event: Event) -> None:
            if not isinstance(event, Stepped):
                self._inbox.put(Happened(job, index, event))
                return
            # There are many steps: to wake a thread for each would cost more than to tell of it.
            running = self._running.get(job)
            if running is not None and not running.cancelled:
                self._stepped(running, index, event)

        return heard

    def _happened(self, note: Happened) -> None:
        running = self._running.get(note.job)
        if running is None:
            return
        event = note.event
        if isinstance(event, Finished | Failed) and not running.cancelled:
            try:
                self._outcome(running, note.index, event)
            except StorageDown as error:
                self._wait_for_storage(note, error)
                return
            except Exception as error:  # noqa: BLE001 - whatever went wrong is the job's error
                self._failed(running, error)
        running.drawings.pop(note.index, None)
        self._settle(running)

    def _outcome(self, running: Running, index: int, event: Finished | Failed) -> None:
        if isinstance(event, Finished):
            self._keep(running, index, event.picture)
        elif isinstance(event.error, Refused):
            self._withhold(running, index, event.error)
        else:
            self._failed(running, event.error)

    def _wait_for_storage(self, note: Happened, error: StorageDown) -> None:
        if not self._unkept:
            log.warning("job %s: a picture waits to be kept: %s", note.job, error, extra={"job": note.job})
        self._unkept.append(note)

    def _stepped(self, running: Running, index: int, event: Stepped) -> None:
        job = running.job
        taken, running.steps[index] = event.step - running.steps.get(index, 0), event.step
        self._tell(PictureStepped(job, index, event.step, event.steps, taken))
        feed = self._feeds.known(job.id)
        if feed is None:  # cancelled at this moment: it must not be made again
            return
        if len(running.steps) + len(job.decided) >= job.n:
            feed.step = min(running.steps.values())
        feed.publish("step", partial(step_note, event, index), picture=index)

    def _keep(self, running: Running, index: int, picture: Picture) -> None:
        same = self._studio.identity(running.job.request) == running.identity
        now = self._keeper.keep(running.job, index, picture, running.identity if same else None)
        if now is not None:
            running.ended = now if now.final else None
            kept = next(image for image in now.images if image.index == index)
            # Told again later, the job's end has the time of the end: who has seen this has not seen that.
            self._feeds.of(running.job.id).publish("image", image_link(kept), index, now.finished_at)

    def _withhold(self, running: Running, index: int, refused: Refused) -> None:
        withheld = WithheldView(index=index, gate=refused.gate, reason=refused.reason)
        if self._store.withhold(self._worker, running.job.id, withheld):
            self._feeds.of(running.job.id).publish("withheld", withheld, picture=index)

    def _failed(self, running: Running, error: Exception) -> None:
        if running.error is None:
            running.error = error
            self._tell(PictureFailed(running.job, type(error).__name__))
            job = running.job.id
            if not isinstance(error, Lost):
                log.warning("job %s: a picture failed: %s", job, error, exc_info=error, extra={"job": job})
            self._stop(running)

    def _stop(self, running: Running) -> None:
        for drawing in list(running.drawings.values()):
            drawing.cancel()

    def _give_up(self, running: Running) -> None:
        running.cancelled, running.given_up = True, tuple(running.drawings)
        self._stop(running)

    def _cancel(self, job: str) -> None:
        running = self._running.get(job)
        if running is not None:
            self._give_up(running)
        self._look = True  # those behind it in the queue have moved up
        try:
            self._end(self._store.get(job))
        except NotFound:  # it is forgotten, too
            self._feeds.of(job).close()
            self._feeds.drop(job)
        except StorageDown:
            self._inbox.put(Cancelled(job))
            raise

    def _settle(self, running: Running) -> None:
        if running.drawings:
            return
        try:
            now = settled(self._store, self._worker, running)
        except NotFound:  # it was forgotten meanwhile
            now = replace(running.job, state="cancelled")
        job = running.job
        if now.state == "cancelled":
            with suppress(StorageDown):
                self._store.spent(job, spent(running))
        del self._running[job.id]
        self._look = True
        if now.state == "succeeded" and now.started_at is not None and now.finished_at is not None:
            self.places.took(now.finished_at - now.started_at)
        if now.final:
            self._end(now)
        else:
            self._tell(JobReturned(now, None if running.error is None else sentence(running.error)))
            if self._deadline is not None:
                self._feeds.of(job.id).close()

    def _end(self, job: Job) -> None:
        feed = self._feeds.of(job.id)
        feed.ended = job
        feed.publish(job.state, job_view(job, feed.step))
        self._feeds.drop(job.id)
        self._tell(JobEnded(job))
