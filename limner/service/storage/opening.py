"""Which store an address means, and which key seals it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...errors import InvalidInput
from .blobs import Blobs
from .folder import FolderBlobs
from .objects import ObjectBlobs
from .options import StorageOptions
from .sealed import SealedBlobs
from .sealing import Sealer, read_key


def sealer_of(options: StorageOptions) -> Sealer | None:
    """What seals with the operator's key; None where there is none. InvalidInput where its file holds none."""
    return None if options.key_file is None else Sealer(read_key(options.key_file))


def open_blobs(options: StorageOptions, folder: str, data_dir: Path) -> Blobs:
    """The blobs called `folder` where the options say, sealed where they name a key; raises as the others here."""
    blobs, sealer = blobs_at(options.images, folder, data_dir), sealer_of(options)
    return blobs if sealer is None else SealedBlobs(blobs, sealer)


def blobs_at(address: str | None, folder: str, data_dir: Path) -> Blobs:
    """The blobs called `folder` at an address: s3://bucket/prefix, a folder, or none for the data directory.

    InvalidInput where the address means neither; OSError where a folder cannot be used.
    """
    if address is None:
        return FolderBlobs(data_dir / folder)
    scheme, separator, _ = address.partition("://")
    if not separator:
        return FolderBlobs(_folder(address) / folder)
    if scheme != "s3":
        raise InvalidInput(
            f"'{scheme[:40]}://' is no place for pictures: use s3://bucket/prefix or a folder", field="images"
        )
    return ObjectBlobs(address, folder)


def room(options: StorageOptions, data_dir: Path) -> int | None:
    """Bytes left where jobs and pictures lie on this machine, of several disks on the one with the least; None while
    one of them is away."""
    folders = [data_dir]
    if options.images is not None and "://" not in options.images:
        folders.append(_folder(options.images))
    try:
        return min(shutil.disk_usage(folder).free for folder in folders)
    except OSError:
        return None


def _folder(address: str) -> Path:
    return Path(address).expanduser().absolute()
