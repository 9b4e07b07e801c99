"""Processes that share the work of one: they leave Ctrl-C to it, and end when it ends, however it does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread


@contextmanager
def workers(count: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` processes, of as many as there are cores if None; what waits when it is left is not done.

    They are started afresh, so that no thread of this process is copied: what they are to do is imported by them.
    """
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal sends it to all processes: the first one tells the others
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
