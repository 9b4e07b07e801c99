"""What the operator says about where and how things are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StorageOptions:
    """Where things are kept; what is left out lies in the data directory.

    `database` is the URL of a PostgreSQL; `images` is s3://bucket/prefix or a folder for pictures; with `key_file`
    pictures are sealed where they lie. Jobs are forgotten `keep_days` after their end, and the oldest of them
    where their pictures take more than `keep_space` bytes; None keeps them all.
    """

    database: str | None = None
    images: str | None = None
    key_file: Path | None = None
    keep_days: float | None = None
    keep_space: int | None = None
