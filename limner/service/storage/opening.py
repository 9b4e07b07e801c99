"""Which store an address means."""

from __future__ import annotations

from pathlib import Path

from ...errors import InvalidInput
from .blobs import Blobs
from .folder import FolderBlobs
from .objects import ObjectBlobs


def blobs_at(address: str | None, folder: str, data_dir: Path) -> Blobs:
    """The blobs called `folder` at an address: s3://bucket/prefix, a folder, or none for the data directory.

    InvalidInput where the address means neither; OSError where a folder cannot be used.
    """
    if address is None:
        return FolderBlobs(data_dir / folder)
    scheme, separator, _ = address.partition("://")
    if not separator:
        return FolderBlobs(Path(address).expanduser().absolute() / folder)
    if scheme != "s3":
        raise InvalidInput(
            f"'{scheme[:40]}://' is no place for pictures: use s3://bucket/prefix or a folder", field="images"
        )
    return ObjectBlobs(address, folder)
