"""Where things are kept: bytes by name, in a folder or in an object store."""

from .blobs import Blobs, Kept, is_id
from .folder import FolderBlobs
from .opening import blobs_at
from .options import StorageOptions

__all__ = ["Blobs", "FolderBlobs", "Kept", "StorageOptions", "blobs_at", "is_id"]
