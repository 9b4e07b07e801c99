"""When a life of the engine has to end, and when the next one begins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .process import EngineProcess

_REPLACED = "was replaced for its memory"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What is expected of an engine.

    It gives a sign of life every `silence` seconds at least, and what it works on moves every `patience` seconds: a
    step of a large model, or the loading of one. Past `memory` bytes it is replaced once it draws nothing, and past
    half as much again at once; it is replaced, too, where letting models go does not keep it within its own bounds.
    One that ends without a picture is followed after a pause, which doubles up to `most_pause` seconds.
    """

    silence: float = 30.0
    patience: float = 600.0
    memory: int | None = None
    first_pause: float = 0.5
    most_pause: float = 30.0

    def pause(self, barren: int) -> float:
        """Seconds before the next life, after `barren` lives in a row without a picture."""
        return 0.0 if barren < 2 else min(self.most_pause, self.first_pause * 2.0 ** min(barren - 2, 30))


class Supervisor:
    """Keeps an engine alive, on a thread of its own, until it is closed."""

    def __init__(
        self,
        begin: Callable[[], EngineProcess],
        over: Callable[[str], None],
        busy: Callable[[], bool],
        rules: Rules,
    ) -> None:
        """`begin` starts a life, and raises where the system cannot; `over` is told how it ended before the next one
        begins; `busy` says whether it draws."""
        self._begin, self._over, self._busy, self._rules = begin, over, busy, rules
        self._closing = threading.Event()
        self._process: EngineProcess | None = None
        self.told = "starting"
        self._ended = ""  # how the last life did
        self._thread = threading.Thread(target=self._work, name="engine supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the engine for good; returns when it has ended. Idempotent."""
        self._closing.set()
        process = self._process
        if process is not None:
            process.changed.set()
        self._thread.join()

    def _work(self) -> None:
        barren = 0
        while not self._closing.is_set():
            fruitful, how = self._live()
            self._over(how)
            if self._closing.is_set():
                return
            barren = 0 if fruitful else barren + 1
            pause = self._rules.pause(barren)
            self.told, self._ended = f"starting again: the engine {how}", how
            self._closing.wait(pause)

    def _live(self) -> tuple[bool, str]:
        """One life: whether it was worth it, and how it ended."""
        try:
            process = self._process = self._begin()
        except Exception as error:  # noqa: BLE001 - whatever it was, it may go better the next time
            _log.error("the engine cannot be started: %s", error)
            return False, f"cannot be started ({error})"
        why = self._watch(process)
        process.retiring = True
        how = process.end()
        if self._closing.is_set():
            return True, "was closed"
        if why == _REPLACED:
            return True, why
        if process.unmade is not None:
            how = f"cannot be made: {process.unmade}"
            if how != self._ended:
                _log.error("the engine %s; it is tried again and again", how)
            return False, how
        how = how if why is None else f"{why} and {how}"
        _log.error("the engine %s after %d pictures; it is started again", how, process.finished)
        return process.finished > 0, how

    def _watch(self, process: EngineProcess) -> str | None:
        """Wait until it has ended or has to; why, where it has not ended by itself."""
        looked = since = time.monotonic()
        while True:
            rules = self._rules
            process.changed.wait(min(1.0, rules.silence / 4))
            process.changed.clear()
            before, looked = looked, time.monotonic()
            if looked - before > rules.silence / 2:
                since = looked  # this service was stopped itself, perhaps with the engine
            if process.ended or self._closing.is_set():
                return None
            if (why := process.hanging(rules.silence, rules.patience, since)) is not None:
                return why
            held = f"held {process.memory / 2**20:.0f} MB, more than it may"
            if rules.memory is not None and process.memory > 1.5 * rules.memory:
                return held
            grown = process.overgrown or (rules.memory is not None and process.memory > rules.memory)
            if grown and process.finished and not process.retiring:
                _log.warning("the engine %s: it is replaced as soon as it draws nothing", held)
                process.retiring = True
            if process.retiring and not self._busy():
                return _REPLACED
