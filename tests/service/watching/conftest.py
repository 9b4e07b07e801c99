"""The keys of the tests of access, here too."""

from ..access.conftest import keys, known

__all__ = ["keys", "known"]
