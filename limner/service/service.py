"""The parts of a running service, made at start and let go in order at the end."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ..engine.png import encode
from ..engine.studio import Studio
from ..errors import LimnerError
from .database import DataLock, open_database, usable
from .events import Feeds
from .images import ImageStore
from .jobs import JobStore
from .runner import Runner

log = logging.getLogger(__name__)


class Service:
    """Everything that the routes use.

    `preload` loads the model while the service already answers; `queue_limit` bounds the waiting jobs;
    `drain_seconds` is what running jobs get to finish in when the service stops; `model` draws
    what names no model. `start` makes `store`,
    `images`, `feeds` and `runner`; Unavailable when another service uses `data_dir` or it cannot be used.
    """

    store: JobStore
    images: ImageStore
    feeds: Feeds
    runner: Runner
    _engine: Engine
    _lock: DataLock

    def __init__(
        self,
        data_dir: Path,
        studio: Studio,
        preload: Callable[[], object] | None = None,
        queue_limit: int = 64,
        parallel: int = 8,
        drain_seconds: float = 30.0,
        model: str = "storybook",
    ) -> None:
        self.model = model
        self.studio = studio
        self.drain_seconds = drain_seconds
        self._data_dir, self._preload = data_dir, preload
        self._queue_limit, self._parallel = queue_limit, parallel
        self._model = "loading" if preload else "ok"
        self._draining = False
        self._started = False

    def start(self) -> None:
        """Open the data, begin to draw, load the model in the background. Does nothing a second time."""
        if self._started:
            return
        with usable(self._data_dir):
            self._open()
        self._started = True
        if self._preload is not None:
            threading.Thread(target=self._load, name="preload", daemon=True).start()

    def _open(self) -> None:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = DataLock(self._data_dir)
        try:
            self._engine = open_database(self._data_dir / "limner.db")
            self.store = JobStore(self._engine, self._queue_limit)
            self.images = ImageStore(self._data_dir / "images")
            self.feeds = Feeds()
            worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
            self.runner = Runner(
                self.store,
                self.images,
                self.feeds,
                self.studio,
                encode,
                worker,
                self._parallel,
            )
            self.runner.start()
        except BaseException:
            self._lock.release()
            raise

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
        self.studio.close()
        self._engine.dispose()
        self._lock.release()

    def readiness(self) -> dict[str, str]:
        """Per part `ok` or what is wrong."""
        try:
            database = "ok" if self.store.ready() else "no answer"
        except SQLAlchemyError as error:
            database = f"no answer: {type(error).__name__}"
        drawing = "ok" if self.runner.alive and not self._draining else "stopping"
        return {"database": database, "model": self._model, "drawing": drawing}

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
