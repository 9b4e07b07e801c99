"""Where things are kept: bytes by name, in a folder or in an object store; backups of them; what may go."""

from .blobs import Blobs, Kept, is_id
from .folder import FolderBlobs
from .opening import blobs_at, open_blobs, room, sealer_of
from .options import StorageOptions

__all__ = [
    "Blobs",
    "FolderBlobs",
    "Kept",
    "StorageOptions",
    "blobs_at",
    "is_id",
    "open_blobs",
    "room",
    "sealer_of",
]
