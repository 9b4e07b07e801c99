"""Arrays that are made once and found again: one file for each, named by what it was made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Unavailable


def key_of(*parts: object) -> str:
    """A name for what is made from these parts; other parts have another name."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def file_hash(file: Path) -> str:
    """A hash of what a file holds."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class ArrayCache:
    """Arrays in a folder by key. Each is written whole or not at all, so that filling it can be broken off."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _file(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npy"

    def __contains__(self, key: str) -> bool:
        return self._file(key).is_file()

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that are not there, each once, in order."""
        return [key for key in dict.fromkeys(keys) if key not in self]

    def __getitem__(self, key: str) -> NDArray[Any]:
        """The array of a key that is there."""
        found: NDArray[Any] = np.load(self._file(key), allow_pickle=False)
        return found

    def put(self, key: str, array: NDArray[Any]) -> None:
        """Keep an array; Unavailable where the disk does not take it."""
        file = self._file(key)
        partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
            partial.replace(file)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise Unavailable(f"cannot write {file}: {error.strerror}") from None
