"""The seam of the picture store: bytes by name, written once and whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

OWNERS = "owners"  # where the marks are, beside the blobs
PIECE = 256 * 1024  # bytes of a piece that is read at a time


@dataclass(frozen=True)
class Kept:
    """A blob as a store lists it: `size` in bytes; `since` in seconds since 1970, when it was put last."""

    name: str
    size: int
    since: float


class Blobs(Protocol):
    """Bytes by name; names are SHA-256 in hexadecimal. Safe to use from many threads.

    Every method raises StorageDown where the store takes or gives nothing for now.
    """

    def put(self, name: str, data: bytes) -> None:
        """Keep `data`; when this returns, it is whole and on the disk, also in place of what was damaged there, and
        counts as put now."""
        ...

    def pieces(self, name: str) -> tuple[int, Iterator[bytes]]:
        """The length of a blob and its bytes in pieces; NotFound where there is none."""
        ...

    def has(self, name: str) -> bool:
        """Whether it is there."""
        ...

    def delete(self, name: str, before: float | None = None) -> bool:
        """Remove a blob, with `before` only one that was put last before that time; whether one was removed."""
        ...

    def list(self) -> Iterator[Kept]:
        """All blobs, in no order; one that goes meanwhile may be left out."""
        ...

    def owners(self, claim: str | None = None) -> set[str]:
        """Who has marked the store; with `claim` it is marked with that first."""
        ...

    def check(self) -> None:
        """Raise StorageDown where nothing could be put now."""
        ...


def is_id(text: str) -> bool:
    """Whether it is the SHA-256 of something, in hexadecimal."""
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
