"""One life of the engine's process: started, written to, read from, ended."""

from __future__ import annotations

import io
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

from .framing import BrokenFrame, Frame, read, write
from .messages import FROM_ENGINE, Beat, Done, Ready, Unmade

COMMAND = (sys.executable, "-P", "-m", "limner.engine.apart.child")
_FIRST_SIGN = 60.0  # seconds that a process gets to its first sign of life, at least
_LAST_WORDS = 2.0  # seconds from the end of what it says to its own end

_COUNTS = Path("/proc/vmstat")
_log = logging.getLogger(__name__)


class EngineProcess:
    """A running engine, or one that has `ended`: speaks no more. `retiring`: it is to be given no more pictures.

    Frames are written on a thread of their own, so that `send` never waits; `on_frame` is called for each frame that
    comes, on another. `changed` is set when it has ended, and by whoever wants it looked at. `from_outside`: it was
    ended by somebody's SIGKILL, which neither `end` sent nor the kernel for want of memory. `unmade`: why it could not
    be made over there.
    """

    def __init__(self, command: Sequence[str], on_frame: Callable[[EngineProcess, Frame[Any]], None]) -> None:
        """Start it; OSError where the system cannot, RuntimeError where it has no more threads."""
        self.changed = threading.Event()
        self.ready, self.retiring, self.ended = False, False, False
        self.from_outside = False
        self.unmade: str | None = None
        self._killed_for_memory = killed_for_memory()
        self.finished = 0
        self.memory, self.overgrown = 0, False
        self.began = time.monotonic()
        self._beaten: float | None = None
        self._still = 0.0
        self._on_frame = on_frame
        self._to_send: SimpleQueue[Frame[Any] | None] = SimpleQueue()
        # A session of its own: Ctrl-C is the service's to handle.
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._stdin = self._popen.stdin
        self._stdout = io.BufferedReader(cast("io.FileIO", self._popen.stdout))  # in larger pieces
        self._threads: list[threading.Thread] = []
        try:
            for name, work in (("writer", self._write), ("reader", self._read)):
                thread = threading.Thread(target=work, name=f"engine {name}", daemon=True)
                thread.start()
                self._threads.append(thread)
        except Exception:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def send(self, frame: Frame[Any]) -> None:
        """Send a frame; of one that has ended, nothing happens."""
        self._to_send.put(frame)

    def hanging(self, silence: float, patience: float, since: float) -> str | None:
        """Why it counts as hanging: no sign of life for `silence` seconds, or no progress for `patience`; else None.

        Nothing counts from before `since`, of the monotonic clock.
        """
        now = time.monotonic()
        quiet = now - max(self._beaten or self.began, since)
        if quiet > (silence if self._beaten else max(silence, _FIRST_SIGN)):
            return f"gave no sign of life for {quiet:.0f} s"
        still = min(self._still, now - since)
        return f"did not move for {still:.0f} s" if still > patience else None

    def end(self) -> str:
        """End it now, if it has not ended by itself; how it ended. Returns when all of its frames were handed out."""
        try:
            code = self._popen.wait(_LAST_WORDS if self.ended else 0)
            before, now = self._killed_for_memory, killed_for_memory()
            self.from_outside = before is not None and before == now and code == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        self._to_send.put(None)
        for thread in self._threads:
            thread.join()
        for stream in (self._stdin, self._stdout):
            stream.close()
        return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"

    def _write(self) -> None:
        while (frame := self._to_send.get()) is not None:
            try:
                write(self._stdin.fileno(), frame)
            except OSError:
                return  # the reader sees the end

    def _read(self) -> None:
        try:
            while (frame := read(self._stdout, FROM_ENGINE)) is not None:
                self._note(frame)
                self._on_frame(self, frame)
        except BrokenFrame as error:
            _log.error("the engine is ended: %s", error)
        finally:
            self.ended = True
            self.changed.set()

    def _note(self, frame: Frame[Any]) -> None:
        message = frame.message
        if isinstance(message, Beat):
            self._beaten, self._still = time.monotonic(), message.still
            self.memory, self.overgrown = message.memory, message.overgrown
        elif isinstance(message, Ready):
            self.ready = True
        elif isinstance(message, Unmade):
            self.unmade = message.fault.text
        elif isinstance(message, Done):
            self.finished += 1


def killed_for_memory() -> int | None:
    """How many processes of this machine the kernel has ended for want of memory; None where it does not tell."""
    try:
        lines = _COUNTS.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
