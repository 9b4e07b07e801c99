"""Where a user's models, jobs and pictures live."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ..errors import Unavailable

VARIABLE = "LIMNER_DATA_DIR"


def data_dir(option: Path | None = None, make: bool = True) -> Path:
    """The data directory: `option`, else LIMNER_DATA_DIR, else the platform's place; created if need be, with `make`.

    Unavailable where it can be neither found nor made.
    """
    chosen = option or os.environ.get(VARIABLE) or platformdirs.user_data_dir("limner", appauthor=False)
    directory = Path(chosen).expanduser().absolute()
    if not make:
        return directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"data directory {directory} cannot be made ({error.strerror}); "
            f"name another with --data-dir or {VARIABLE}"
        ) from None
    return directory
