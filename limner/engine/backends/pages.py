"""Memory of files that a runtime has mapped: what it has read is given back while it goes on.

A file that is mapped is read page by page, and every page that was read counts as memory of the process until the
system wants it back. Weights are read once, to be laid out anew, so that they would count twice: from then on, and
at the worst moment. Pages given back are read again from the file where they are needed after all.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

_MAPPED = Path("/proc/self/maps")
# MADV_PAGEOUT of Linux 5.4, which loses nothing: a place may be mapped anew between the look and the advice.
_PAGEOUT = 21
_EVERY = 0.05  # seconds: of a fast disk some hundred megabytes


@contextmanager
def given_back(*folders: Path) -> Iterator[None]:
    """Give back the pages of all files in these folders again and again within the block, and at its end.

    Without effect where the system is not Linux.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    places, done = [str(folder.resolve()) + "/" for folder in folders], Event()

    def work() -> None:
        while not done.wait(_EVERY):
            give_back(places)

    worker = Thread(target=work, name="pages", daemon=True)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()
        give_back(places)


def give_back(places: Collection[str]) -> int:
    """Give back the pages of mapped files whose paths begin with one of `places`; gives how many bytes are mapped."""
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    found = 0
    for line in _MAPPED.read_text().splitlines():
        # Addresses, rights, offset, device, inode, path.
        parts = line.split(None, 5)
        if len(parts) == 6 and parts[5].startswith(tuple(places)):
            first, last = (int(address, 16) for address in parts[0].split("-"))
            advise(first, last - first, _PAGEOUT)
            found += last - first
    return found
