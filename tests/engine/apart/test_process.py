"""How one life of the engine's process ends, and whose doing that was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from limner.engine.apart.process import EngineProcess, killed_for_memory

counted = pytest.mark.skipif(
    killed_for_memory() is None, reason="this system does not count what it ends for memory"
)


def begun(does: str) -> EngineProcess:
    return EngineProcess(
        [sys.executable, "-c", f"import os, signal, sys; {does}"], lambda process, frame: None
    )


@counted
def test_a_sigkill_of_somebody_comes_from_outside() -> None:
    process = begun("sys.stdin.read()")
    os.kill(process.pid, signal.SIGKILL)
    assert process.changed.wait(60)
    assert process.end() == "was ended by signal 9" and process.from_outside


def test_one_that_does_not_speak_in_frames_is_ended_here(caplog: pytest.LogCaptureFixture) -> None:
    process = begun("print('rubbish', flush=True); sys.stdin.read()")
    assert process.changed.wait(60) and process.ended
    assert process.end() == "was ended by signal 9" and not process.from_outside
    assert "the engine is ended: a frame of" in caplog.text


def test_its_own_crash_and_its_end_by_the_service_do_not() -> None:
    crashed = begun("os.kill(os.getpid(), signal.SIGSEGV)")
    assert crashed.changed.wait(60)
    assert crashed.end() == "was ended by signal 11" and not crashed.from_outside
    ended = begun("sys.stdin.read()")
    assert ended.end() == "was ended by signal 9" and not ended.from_outside


@pytest.mark.parametrize("which", ["writer", "reader"])
def test_a_system_without_threads_leaves_no_process(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    children: list[subprocess.Popen[bytes]] = []
    popen, start = subprocess.Popen, threading.Thread.start

    def counted_popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        children.append(popen(*arguments, **options))
        return children[-1]

    def refused(thread: threading.Thread) -> None:
        if thread.name == f"engine {which}":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(subprocess, "Popen", counted_popen)
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="new thread"):
        begun("sys.stdin.read()")
    (one,) = children
    assert one.returncode == -signal.SIGKILL
