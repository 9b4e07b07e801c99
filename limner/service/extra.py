"""What to say where a part of the service needs an extra that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Unavailable


@contextmanager
def needs_scale(purpose: str) -> Iterator[None]:
    """Around imports for `purpose`: Unavailable names the missing package, and the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "limner":
            raise
        raise Unavailable(
            f"{purpose} needs {package}, which is not installed; "
            "in a clone of Limner: pip install -e '.[scale]' -c constraints.txt"
        ) from None
