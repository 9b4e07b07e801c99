"""A bounded cache of text encodings."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray


class EncodingCache:
    """Text encodings (T, D) by their token ids (T,); past `capacity` the one unused for longest goes.

    Safe to share between threads.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()
        self._found = self._missed = 0

    def get(self, ids: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Give the encoding of these ids, None where it is not kept."""
        with self._lock:
            key = ids.tobytes()
            if key not in self._kept:
                self._missed += 1
                return None
            self._found += 1
            self._kept.move_to_end(key)
            return self._kept[key]

    @property
    def looked_up(self) -> tuple[int, int]:
        """How often `get` found what it was asked for, and how often not."""
        with self._lock:
            return self._found, self._missed

    def put(self, ids: NDArray[np.int64], encoding: NDArray[np.float32]) -> None:
        """Keep an encoding; a copy, so that it does not hold on to the batch it came from."""
        kept = encoding.copy()
        kept.flags.writeable = False
        with self._lock:
            self._kept[ids.tobytes()] = kept
            self._kept.move_to_end(ids.tobytes())
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
