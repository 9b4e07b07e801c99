"""Limner: captioned pictures in, a text-to-image service out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Drawn, Limner, load

__version__ = "0.1.0"
__all__ = ["Drawn", "Limner", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name in {"Drawn", "Limner", "load"}:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module 'limner' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
