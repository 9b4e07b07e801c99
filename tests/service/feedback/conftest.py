"""The fixtures of a service with keys."""

from ..access.conftest import keys, known

__all__ = ["keys", "known"]
