"""The parts of a running service, made at start and let go in order at the end."""

from __future__ import annotations

import io
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from ..answers import Priority
from ..engine.png import encode
from ..engine.request import DrawRequest, Picture
from ..engine.source import Source, opened, read_source
from ..engine.studio import Studio
from ..errors import InvalidInput, LimnerError, NotFound, StorageDown, Unavailable
from ..provenance import Signer
from ..registry.holding import FileLock
from .access import Caller, Holdings, KeyStore
from .access.gate import Keyring
from .access.once import OnceStore
from .access.sessions import Sessions
from .database import DATABASE_NAME, data_lock, open_database, usable
from .events import Feeds
from .feedback import FeedbackStore
from .forgetting import forget, forget_picture
from .gallery import PinStore
from .gates import Gates
from .gates.studio import GatedStudio
from .images import ImageStore, open_stores
from .jobs import Image, Job, JobStore, Stored
from .keeping import note_pages
from .mqtt import Inbox
from .queue import QueueState, look_at_queue
from .readings import Reader, understood
from .results import drawn_before, settled
from .runner import Runner
from .storage import StorageOptions
from .storage.retention import Policy, Sweeper, Swept, let_go_of_gone, sweep
from .watching.requests import request_id
from .watching.sights import JobAccepted, JobEnded, ResultsLookedUp, Watching
from .wire import MAX_CANDIDATES

log = logging.getLogger(__name__)


class Service:
    """Everything that the routes use. Pictures from outside are decoded one at a time, under `decoding`.

    `preload` loads the model while the service already answers; `queue_limit` bounds the waiting jobs;
    `drain_seconds` is what running jobs get to finish in when the service stops; `model` draws
    what names no model; `keyring` is told of the keys, `watching` of what happens; `storage` says where things are
    kept; prompts and pictures pass the `gates`; with a `signer` pictures are signed. `start` makes `store`, `keys`,
    `holdings`, `feedback`, `pins`, `images`, `feeds` and `runner`; Unavailable when another service uses `data_dir` or
    it cannot be used.
    """

    store: JobStore
    keys: KeyStore
    holdings: Holdings
    sessions: Sessions
    feedback: FeedbackStore
    pins: PinStore
    images: ImageStore
    uploads: ImageStore
    inbox: Inbox
    feeds: Feeds
    runner: Runner
    _engine: Engine
    _lock: FileLock
    _sweeper: Sweeper

    def __init__(
        self,
        data_dir: Path,
        studio: Studio,
        preload: Callable[[], object] | None = None,
        queue_limit: int = 64,
        parallel: int = 8,
        drain_seconds: float = 30.0,
        model: str = "storybook",
        keyring: Keyring | None = None,
        watching: Watching | None = None,
        storage: StorageOptions | None = None,
        gates: Gates | None = None,
        signer: Signer | None = None,
    ) -> None:
        self.model = model
        self.keyring = keyring or Keyring()
        self.storage = storage or StorageOptions()
        self.once: list[OnceStore] = []
        self.signer = signer
        self.gates = gates or Gates()
        self.studio = GatedStudio(studio, self.gates) if self.gates.look_at_pictures else studio
        self.drain_seconds = drain_seconds
        self.mark = self.gates.mark + ("" if signer is None else signer.mark)
        self.watching = self.gates.tell = watching or Watching()
        self.data_dir, self._preload = data_dir, preload
        self._queue_limit, self._parallel = queue_limit, parallel
        self._model = "loading" if preload else "ok"
        self._draining = False
        self._started = False
        self.decoding = threading.Lock()

    def start(self) -> None:
        """Open the data, begin to draw, load the model in the background. Does nothing a second time."""
        if self._started:
            return
        with usable(self.data_dir):
            self._open()
        self._started = True
        if self._preload is not None:
            threading.Thread(target=self._load, name="preload", daemon=True).start()

    def _open(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = data_lock(self.data_dir)
        try:
            stores = open_stores(self.storage, self.data_dir)
            self.images, self.uploads = stores["images"], stores["uploads"]
            self._engine = open_database(self.storage.database or self.data_dir / DATABASE_NAME)
            self.store = JobStore(self._engine, self._queue_limit)
            self.keys = self.keyring.keys = KeyStore(self._engine)
            self.sessions = self.keyring.sessions = Sessions(self._engine)
            self.holdings = Holdings(self._engine)
            self.once.append(OnceStore(self._engine))
            self.inbox = Inbox(self._engine)
            self.feedback = FeedbackStore(self._engine)
            self.pins = PinStore(self._engine)
            self.feeds = Feeds()
            worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
            self.runner = Runner(
                self.store,
                self.images,
                self.feeds,
                self.studio,
                self.source,
                self.file_of,
                worker,
                self._parallel,
                self.watching,
                self.mark,
            )
            self.runner.start()
            policy = Policy(self.storage.keep_days, self.storage.keep_space)
            self._sweeper = Sweeper(partial(self._sweep, policy))
            self._sweeper.start()
        except BaseException:
            self._lock.close()
            raise

    def upload(self, data: bytes, caller: Caller) -> tuple[str, int, int]:
        """Keep a picture to work from, upright, as an RGB PNG of at most 2048 px a side; gives id, width and height.

        InvalidInput where it cannot be decoded or is too large, Refused where a gate does not let it through. One at a
        time, so that many do not fill the memory.
        """
        with self.decoding:
            try:
                picture = opened(data, "image")
            except InvalidInput as error:
                raise InvalidInput(str(error)) from None  # the body itself, no field of it
            file = io.BytesIO()
            picture.save(file, "PNG")
        if self.gates.look_at_pictures:
            self.gates.check_picture(np.asarray(picture), "upload")
        png = file.getvalue()
        image = self.uploads.put(png)
        self.holdings.hold(caller.owner, [image])
        _put_again(self.uploads, {image: png})
        return image, picture.width, picture.height

    def source(self, request: DrawRequest) -> Source | None:
        """What a request is to be made from; InvalidInput names the id that is not known, or what does not fit."""
        if request.image is None:
            for field in ("keep", "outward"):
                if getattr(request, field) is not None:
                    raise InvalidInput(f"{field} needs a picture to work from: give an image", field=field)
            return None
        image, mask = self._bytes("image", request.image), request.mask
        shown = None if mask is None else self._bytes("mask", mask)
        return read_source(image, shown, request.keep, request.outward)

    def file_of(self, picture: Picture) -> bytes:
        """The PNG of a picture that was drawn, signed where there is a signer; Unavailable where it does not sign."""
        png, begun = encode(picture), picture.request.image
        if self.signer is None:
            return png
        source = None if begun is None else self._bytes("image", begun)
        return self.signer.sign(png, picture.model, picture.version, source)

    def accept(
        self,
        request: DrawRequest,
        n: int,
        caller: Caller,
        priority: Priority = "interactive",
        reader: Reader | None = None,
        anew: bool = False,
        derived_from: str | None = None,
    ) -> Job:
        """Queue a job of `n` pictures for `caller`; it is on the disk when this returns. Where one was made of the
        caller's `once`, that one. Words of several senses are read as `reader` means them. What names its seeds and was
        drawn for the same owner before is not drawn again, unless `anew`, and a job of nothing else has succeeded at
        once. `derived_from` is noted, and changes nothing of what is drawn.

        InvalidInput names a wrong field, an unknown model too, Refused the gate that does not let it through; Busy
        where too many wait, OverLimit beyond the caller's quota, Unavailable while it stops or a gate does not answer,
        StorageDown while the database or the picture store takes nothing.
        """
        if (made := self.store.made(caller)) is not None:
            return made
        if self.draining:
            raise Unavailable("the service is stopping; send the job again when it is back")
        if request.best_of * n > MAX_CANDIDATES:
            told = f"{request.best_of} for n {n} are {request.best_of * n} drawings; at most {MAX_CANDIDATES}"
            raise InvalidInput(told, field="best_of")
        for field in ("image", "mask"):
            name = getattr(request, field)
            if name is not None and not self.holdings.visible(caller, name):
                raise _unknown(field, name)
        if derived_from is not None and not self.has_picture(derived_from, caller):
            raise _unknown("derived_from", derived_from)
        try:
            typed = self.studio.resolve(request, self.source(request))
            model = self.studio.model(typed.model)
        except NotFound as error:
            raise InvalidInput(str(error), field="model") from None
        resolved, said = understood(typed, model, reader or Reader())
        for asked in (typed, resolved) if said is not None else (resolved,):
            self.gates.check_prompt(asked)
        reused: list[Image] = []
        looked_up = settled(request) and not anew
        if looked_up:
            what = self.studio.identity(resolved) + self.mark
            reused = drawn_before(self._engine, self.images, caller.owner, resolved, n, what)
        if len(reused) < n and resolved.image is not None:  # `add` looks, too; this spares keeping the image
            self.store.check_room(self.runner.places.retry_after, caller, priority)
        self.images.check()
        kept = self._keep(resolved)
        promise = self.runner.places.promise(priority == "bulk")
        try:
            wait = self.runner.places.retry_after
            job = self.store.add(resolved, n, wait, caller, priority, said, reused, derived_from, promise)
            if _put_again(self.images, kept):
                self.holdings.hold(caller.owner, kept)
            self.watching(JobAccepted(job, request_id.get()))
            if looked_up:
                self.watching(ResultsLookedUp(job, sum(image.reused for image in job.images)))
            if job.final:
                self.watching(JobEnded(job))
        finally:
            self.runner.accepted(promise)
        return job

    def _keep(self, request: DrawRequest) -> dict[str, bytes]:
        """Keep what a request is made from as long as what it makes; gives it by its names."""
        kept: dict[str, bytes] = {}
        for field in ("image", "mask"):
            name = getattr(request, field)
            if name is not None:  # one that is there counts as put now, so that no sweep takes it
                kept[name] = self._bytes(field, name)
                self.images.put(kept[name])
        return kept

    def keep_pages(self, job: str, image: Image, pages: Sequence[tuple[bytes, int, int]]) -> list[str]:
        """Keep PNGs of so many pixels, wide and high, that were made of what came with a picture of a job, as long as
        that picture; gives their ids."""
        kept = [Stored(id=self.images.put(png), width=width, height=height) for png, width, height in pages]
        note_pages(self._engine, job, image.index, kept)
        _put_again(self.images, {each.id: png for each, (png, _, _) in zip(kept, pages, strict=True)})
        return [each.id for each in kept]

    def forget(self, job: str, caller: Caller) -> Job:
        """Forget one of the caller's jobs and its pictures, cancelled where it is not done; gives it as it was.

        NotFound where there is none.
        """
        found = self.store.cancel(job, caller.sees)
        self.runner.cancelled(job)
        forget(self._engine, job, self._remove)
        return found

    def forget_picture(self, image: str, caller: Caller, mine: bool = False) -> None:
        """Forget one of the caller's pictures, drawn or sent; of an admin, everybody's of that name, unless `mine`.

        NotFound where there is none, InvalidInput where a job that is not done needs it.
        """
        owners = caller.own if mine or caller.sees is not None else None
        forget_picture(self._engine, image, owners, self._remove)

    def _sweep(self, policy: Policy, stopped: Callable[[], bool]) -> Swept:
        swept = sweep(self._engine, self.images, self.uploads, policy, stopped=stopped)
        let_go_of_gone(self._engine, (self.images, self.uploads))
        return swept

    def _remove(self, image: str) -> None:
        self.images.delete(image)
        self.uploads.delete(image)

    def picture(self, image: str, caller: Caller) -> tuple[int, Iterator[bytes]]:
        """Length and bytes of a picture that was drawn for or uploaded by `caller`; NotFound where there is none."""
        if not self.holdings.visible(caller, image):
            raise NotFound(f"no picture {image[:80]!r}")
        try:
            return self.images.pieces(image)
        except NotFound:
            return self.uploads.pieces(image)

    def whole_picture(self, image: str, caller: Caller) -> bytes:
        """The bytes of a picture, as `picture` finds it."""
        return b"".join(self.picture(image, caller)[1])

    def has_picture(self, image: str, caller: Caller) -> bool:
        """Whether a picture is there that `caller` may see."""
        return self.holdings.visible(caller, image) and (self.images.has(image) or self.uploads.has(image))

    def _bytes(self, field: str, image: str) -> bytes:
        for store in (self.images, self.uploads):
            try:
                return store.get(image)
            except NotFound:
                continue
        raise _unknown(field, image)

    @property
    def draining(self) -> bool:
        """Whether it takes no more jobs."""
        return self._draining

    def drain(self) -> None:
        """Take no more jobs; what runs has `drain_seconds` to finish. May be called in a signal."""
        if self._started and not self._draining:
            self._draining = True
            self.runner.drain(self.drain_seconds)

    def stop(self) -> None:
        """Drain, and let go of everything."""
        self.drain()
        self.runner.join()
        self._sweeper.stop()
        self.studio.close()
        self._engine.dispose()
        self._lock.close()

    def queue(self) -> QueueState:
        """How full the queue is."""
        return look_at_queue(self._engine)

    def readiness(self) -> dict[str, str]:
        """Per part `ok` or what is wrong."""
        try:
            database = "ok" if self.store.ready() else "no answer"
        except StorageDown as error:
            database = f"no answer: {error}"
        try:
            self.images.check()
            pictures = "ok"
        except StorageDown as error:
            pictures = str(error)
        drawing = "ok" if self.runner.alive and not self._draining else "stopping"
        return {
            "database": database,
            "pictures": pictures,
            "model": self._model,
            "engine": self.studio.state(),
            "drawing": drawing,
        }

    def _load(self) -> None:
        assert self._preload is not None
        try:
            self._preload()
            self._model = "ok"
        except LimnerError as error:
            self._model = str(error)
            log.error("the model cannot be loaded: %s", error)
        except Exception as error:
            self._model = f"cannot be loaded: {type(error).__name__}"
            log.exception("the model cannot be loaded")


def _put_again(store: ImageStore, kept: dict[str, bytes]) -> bool:
    """Put again what somebody let go of just before it was noted down; whether there was any."""
    gone = [png for image, png in kept.items() if not store.has(image)]
    for png in gone:
        store.put(png)
    return bool(gone)


def _unknown(field: str, image: str) -> InvalidInput:
    return InvalidInput(f"no picture {image[:80]!r}; upload it with POST /v1/images", field=field)
