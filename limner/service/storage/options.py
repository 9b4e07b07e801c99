"""What the operator says about where and how things are kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StorageOptions:
    """Where things are kept; what is left out lies in the data directory.

    `database` is the URL of a PostgreSQL; `images` is s3://bucket/prefix or a folder for pictures.
    """

    database: str | None = None
    images: str | None = None
