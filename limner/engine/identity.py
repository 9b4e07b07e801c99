"""What a picture depends on besides its request: the files of its model, the backend, Limner itself."""

from __future__ import annotations

import hashlib
import json

from .. import __version__


def identity(stamped: str, backend: str) -> str:
    """Of a model with that stamp (`registry.stamps`), drawn by that backend of this Limner."""
    return hashlib.sha256(json.dumps([__version__, backend, stamped]).encode()).hexdigest()
