"""Pictures that say which text they were drawn for, and a matcher that can read them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from limner.families.matcher.matcher import Matcher

SIDE = 16


class Told:
    """Towers for which a text's vector is noise made of its hash, and a picture's are its pixels."""

    @staticmethod
    def picture(text: str) -> NDArray[np.uint8]:
        """What is drawn for a text by whoever draws exactly what is asked."""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)

    def pictures(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, 768)."""
        found: NDArray[np.float32] = (batch.astype(np.float32) - 127.5).reshape(len(batch), -1)
        return found

    def texts(self, batch: Sequence[str]) -> NDArray[np.float32]:
        """(B, 768)."""
        return self.pictures(np.stack([self.picture(text) for text in batch]))


def told_matcher(clip: bool = False) -> Matcher:
    """A matcher with those towers."""
    return Matcher("told", "told", SIDE, 20.0, Told(), clip)
