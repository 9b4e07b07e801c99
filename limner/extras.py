"""What to say where something needs an extra that is not installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Unavailable

# Limner shows its own progress, and says what goes wrong itself.
_QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Around imports: Unavailable names the missing package and how to install the extra that brings it.

    The libraries that come with it say only what is wrong, unless the environment asks for more.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "limner":
            raise
        raise Unavailable(
            f"{purpose} needs {package}, which is not installed; "
            f"in a clone of Limner: pip install -e '.[{extra}]' -c constraints.txt"
        ) from None
