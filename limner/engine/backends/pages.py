"""Memory of files that are mapped: what has been read of them is given back while others go on reading.

A file that is mapped is read page by page, and every page that was read counts as memory of the process until the
system wants it back. Weights are read once, to be laid out anew, so that they would count twice: from then on, and
at the worst moment. Pages given back are read again where they are needed after all, mostly from the system's cache.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from numpy.typing import NDArray

_MAPPED = Path("/proc/self/maps")
# Of Linux. The second loses nothing, for a place may be mapped anew between the look and the advice, but drops what it
# can from the system's cache, too.
_DONTNEED, _PAGEOUT = 4, 21
_EVERY = 0.05  # seconds: of a fast disk some hundred megabytes


@contextmanager
def given_back(folder: Path | None = None, mapped: NDArray[Any] | None = None) -> Iterator[None]:
    """Give back pages again and again within the block, and at its end: those of files in `folder` that somebody has
    mapped, and those of a mapped array, which nobody may write to.

    Without effect where the system is not Linux.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    places, done = [] if folder is None else [str(folder.resolve()) + "/"], Event()

    def once() -> None:
        for first, last in _mapped(places) if places else []:
            _give_back(first, last, _PAGEOUT)
        if mapped is not None:
            first = mapped.ctypes.data
            _give_back(first - first % mmap.PAGESIZE, first + mapped.nbytes, _DONTNEED)

    def work() -> None:
        while not done.wait(_EVERY):
            once()

    worker = Thread(target=work, name="pages", daemon=True)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()
        once()


def _mapped(places: Collection[str]) -> list[tuple[int, int]]:
    """First and last address of mapped files whose paths begin with one of `places`; none where nobody tells."""
    try:
        lines = _MAPPED.read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        # Addresses, rights, offset, device, inode, path.
        parts = line.split(None, 5)
        if len(parts) == 6 and parts[5].startswith(tuple(places)):
            first, last = (int(address, 16) for address in parts[0].split("-"))
            found.append((first, last))
    return found


def _give_back(first: int, last: int, advice: int) -> None:
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    advise(first, last - first, advice)
