"""What to say where a verb needs an extra that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Unavailable


@contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Around imports: Unavailable names the missing package and how to install the extra that brings it."""
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
