"""Blobs that are encrypted where they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ...errors import Damaged, InvalidInput
from .blobs import Blobs, Kept
from .sealing import Sealer, is_sealed


class SealedBlobs:
    """Blobs of `inner`, sealed there. What was put before there was a key is given as it is."""

    def __init__(self, inner: Blobs, sealer: Sealer) -> None:
        self._inner, self._sealer = inner, sealer

    def put(self, name: str, data: bytes) -> None:
        """As the seam says."""
        self._inner.put(name, self._sealer.seal(name, data))

    def pieces(self, name: str) -> tuple[int, Iterator[bytes]]:
        """As the seam says, in one piece; Damaged where it was sealed with another key or has been changed."""
        data = b"".join(self._inner.pieces(name)[1])
        if is_sealed(data):
            try:
                data = self._sealer.open(name, data)
            except InvalidInput as error:
                raise Damaged(f"picture {error}: start with its key, or restore it from a backup") from None
        elif hashlib.sha256(data).hexdigest() != name:
            raise Damaged(f"picture {name} is damaged where it is kept: restore it from a backup")
        return len(data), iter([data])

    def has(self, name: str) -> bool:
        """As the seam says."""
        return self._inner.has(name)

    def delete(self, name: str, before: float | None = None) -> bool:
        """As the seam says."""
        return self._inner.delete(name, before)

    def list(self) -> Iterator[Kept]:
        """As the seam says; sizes are those of the sealed form."""
        return self._inner.list()

    def owners(self, claim: str | None = None) -> set[str]:
        """As the seam says; marks are not sealed."""
        return self._inner.owners(claim)

    def check(self) -> None:
        """As the seam says."""
        self._inner.check()
