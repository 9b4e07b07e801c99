"""What runs in the engine's own process: a LocalStudio that is spoken to by frames on standard input and output.

It ends when its input ends, so it never outlives the service. Signals that are meant for the service (Ctrl-C, or a
SIGTERM to the whole group) are left to the service, which closes the input when it is done.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...registry.manifest import Manifest
from ...registry.models import Model, Registry
from ..backends import DeviceLost
from ..memory import held
from ..request import Event, Failed, Stepped
from ..studio import Drawing, LocalStudio
from ..watching import Sight, Watcher, unwatched
from .framing import Frame, read, write
from .messages import (
    TO_ENGINE,
    Beat,
    Cancel,
    Load,
    Loaded,
    Log,
    Ready,
    Seen,
    Setup,
    Start,
    Step,
    Unmade,
    event_frame,
    fault_of,
    sendable,
    source_of,
)

BEAT = 1.0
"""Seconds from one sign of life to the next."""

WAIT = 0.2
"""Seconds for which what is seen may wait for more of it, while steps are told."""

FRAME = 0.06
"""Seconds between two steps of a picture that are told of, the last apart: an eye follows no more, and to tell of one
takes processor time from the drawing."""

_OOM_SCORE = Path("/proc/self/oom_score_adj")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_log = logging.getLogger("limner.engine.apart.child")  # whose __name__ is __main__

MakeStudio = Callable[[Setup, Watcher], LocalStudio]


def main(make: MakeStudio | None = None) -> None:
    """Serve until the input ends; `make` makes the studio of a Setup, which lets a watcher see its work."""
    spoken, heard = _own_descriptors()
    _leave_signals_to_the_parent()
    child = _Child(heard, spoken, make or local_studio)
    child.serve()
    # Threads of runtimes must not hold up an end that nobody waits for.
    os._exit(0)


def local_studio(setup: Setup, watcher: Watcher) -> LocalStudio:
    """The studio that a Setup describes."""
    extra = [
        Model(Path(model.path), Manifest.model_validate_json(model.manifest), model.built_in)
        for model in setup.extra
    ]
    registry = Registry(Path(setup.data_dir), extra)
    return LocalStudio(registry, setup.backend, setup.max_rows, setup.threads, watcher, setup.model_memory)


class _Child:
    def __init__(self, heard: int, spoken: int, make: MakeStudio) -> None:
        self._heard, self._spoken, self._make = os.fdopen(heard, "rb"), spoken, make
        self._writing = threading.Lock()
        self._sights: list[Sight] = []  # seen, and not said yet, the first of them at `_seen_first`
        self._seen_first = 0.0
        self._drawings: dict[int, Drawing] = {}
        self._studio: LocalStudio | None = None
        self._handling: float | None = None  # since when a message is being handled

    def serve(self) -> None:
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        while (frame := read(self._heard, TO_ENGINE)) is not None:
            self._handling = time.monotonic()
            self._handle(frame)
            self._handling = None

    def say(self, frame: Frame[Any]) -> None:
        """Say something, and before it what was seen; before a step only what has waited for a while."""
        try:
            with self._writing:
                if not isinstance(frame.message, Step) or time.monotonic() - self._seen_first > WAIT:
                    self._say_what_was_seen()
                write(self._spoken, frame)
        except OSError:
            os._exit(0)  # the service is gone

    def _handle(self, frame: Frame[Any]) -> None:
        message = frame.message
        if isinstance(message, Setup):
            _log_to(self.say, message.log_level)
            try:
                self._studio = self._make(message, self._seen if message.watched else unwatched)
            except Exception as error:  # noqa: BLE001 - it is told, and the service says it
                self.say(Frame(Unmade(fault=fault_of(error))))
                os._exit(1)
            self.say(Frame(Ready()))
        elif isinstance(message, Load):
            threading.Thread(target=self._load, args=(message.model,), name="load", daemon=True).start()
        elif isinstance(message, Start):
            self._start(message.picture, frame)
        elif isinstance(message, Cancel):
            drawing = self._drawings.get(message.picture)
            if drawing is not None:
                drawing.cancel()

    def _seen(self, sight: Sight) -> None:
        with self._writing:
            if not self._sights:
                self._seen_first = time.monotonic()
            self._sights.append(sight)

    def _say_what_was_seen(self) -> None:
        if self._sights:
            sights, self._sights = self._sights, []
            write(self._spoken, Frame(Seen(sights=tuple(sights))))

    def _load(self, model: str) -> None:
        fault = None
        try:
            assert self._studio is not None
            self._studio.preload(model)
        except Exception as error:  # noqa: BLE001 - it is told, and others may still be drawn
            _end_where_lost(error)
            fault = fault_of(error)
        self.say(Frame(Loaded(model=model, fault=fault)))

    def _start(self, picture: int, frame: Frame[Start]) -> None:
        ended = threading.Event()
        told = -FRAME

        def tell(event: Event) -> None:
            nonlocal told
            now = time.monotonic()
            if not isinstance(event, Stepped):
                self._drawings.pop(picture, None)
                ended.set()
            elif now - told < FRAME and event.step < event.steps:
                return
            told = now
            self._tell(picture, event)

        try:
            assert self._studio is not None
            asked = frame.message
            drawing = self._studio.start(asked.request, tell, source_of(frame), asked.name, asked.bulk)
        except Exception as error:  # noqa: BLE001 - it is that picture's alone
            self._tell(picture, Failed(error))
            return
        self._drawings[picture] = drawing
        if ended.is_set():
            self._drawings.pop(picture, None)

    def _tell(self, picture: int, event: Event) -> None:
        """Tell an event; where an end cannot be told as it is, that it failed."""
        if isinstance(event, Failed):
            _end_where_lost(event.error)
        try:
            self.say(event_frame(picture, event))
        except Exception as error:
            if isinstance(event, Stepped):
                raise  # its end follows
            _log.exception("the end of a picture cannot be told as it is")
            kind = type(error).__name__
            self.say(event_frame(picture, Failed(RuntimeError(f"how it ended cannot be told: {kind}"))))

    def _beat(self) -> None:
        while True:
            handling, studio = self._handling, self._studio
            still = 0.0 if handling is None else time.monotonic() - handling
            if studio is not None:
                still = max(still, studio.still_for)
            overgrown = studio is not None and studio.overgrown
            self.say(Frame(Beat(memory=held(), overgrown=overgrown, still=still)))
            time.sleep(BEAT)


def _end_where_lost(error: Exception) -> None:
    """End this process where its device draws nothing more; the service loses its pictures, and the next draws them."""
    if isinstance(error, DeviceLost):
        _log.error("the engine ends itself: %s", error)
        os._exit(70)


class _LogTo(logging.Handler):
    def __init__(self, say: Callable[[Frame[Any]], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(Frame(Log(logger=record.name, level=record.levelno, text=sendable(self.format(record)))))


def _log_to(say: Callable[[Frame[Any]], None], level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_LogTo(say)]
    root.setLevel(logging.WARNING)
    logging.getLogger("limner").setLevel(level)


def _own_descriptors() -> tuple[int, int]:
    """Standard output and input for the frames alone: what anybody prints goes to standard error."""
    spoken, heard = os.dup(sys.stdout.fileno()), os.dup(sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return spoken, heard


def _leave_signals_to_the_parent() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if not sys.platform.startswith("linux"):
        return
    # Ended with the service even where this process no longer reads its input.
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    # Where memory runs out the system is to end the engine, not the service.
    with suppress(OSError):
        _OOM_SCORE.write_text("300", encoding="utf-8")


if __name__ == "__main__":
    main()
