"""What a picture depends on besides its request: the files of its model, the backend, Limner itself."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from .. import __version__

_SAID_OF_IT = frozenset({"README.md", "card.json", "card.html"})


def stamp(folder: Path) -> str:
    """Tells the files of a model as they are now from any others, also of the same name, size and time.

    It reads no file: a file that is replaced or written to has another inode, or another time of change, which nobody
    can set. Copied elsewhere, the same files have another stamp. What is said of a model is no part of it.
    """
    seen = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name not in _SAID_OF_IT:
                seen.append((os.path.relpath(os.path.join(place, name), folder), *_marks(place, name)))
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _marks(place: str, name: str) -> tuple[int, ...]:
    try:
        told = os.stat(os.path.join(place, name))
    except OSError:  # gone since it was listed
        return ()
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino, told.st_dev


def identity(stamped: str, backend: str) -> str:
    """Of a model with that stamp, drawn by that backend of this Limner."""
    return hashlib.sha256(json.dumps([__version__, backend, stamped]).encode()).hexdigest()
