"""Families of models, one folder each; here is what the engine knows of them.

A family's `program` module is torch-free. It turns a request into a program: a generator that yields the
network calls that one picture needs and gives previews in between, so that whoever runs it can join the calls
of many programs into batches without knowing what they are for.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..engine.request import Call, DrawRequest, Stepped
from ..engine.source import Source
from ..errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from ..registry.models import Model

Program = Generator[Call | Stepped, dict[str, NDArray[Any]] | None, NDArray[np.uint8]]
"""Yields a Call and is sent its outputs (this program's rows only); yields Stepped and is sent None; returns
the pixels, uint8 (H, W, 3)."""

MATCHER = "matcher"
_CLASSES = {"diffusion": "Diffusion", "attngan": "AttnGan", "parti": "Parti"}


class Family(Protocol):
    """One loaded model's tokenizer, schedule and manifest; thread-safe after construction."""

    def __init__(self, model: Model) -> None:
        """Read the small files of a model; the networks are loaded by whoever runs the programs."""

    @property
    def texts_looked_up(self) -> tuple[int, int]:
        """Texts whose encoding was kept from before, and texts that had to be encoded, since it was made."""
        ...

    def resolve(self, request: DrawRequest) -> DrawRequest:
        """Fill every None from the manifest, the seed at random; InvalidInput names the wrong field."""
        ...

    def program(self, request: DrawRequest, source: Source | None = None) -> Program:
        """Start the program of a resolved request, from `source` where it names an image."""
        ...


def family(name: str) -> type[Family]:
    """Give the class of a family, imported at first use; NotFound lists the families there are, InvalidInput says
    that a matcher draws nothing."""
    if name == MATCHER:
        raise InvalidInput(
            f"a model of family {MATCHER} judges pictures and draws none; name one that draws, and this one "
            "with --matcher",
            field="model",
        )
    if name not in _CLASSES:
        raise NotFound(f"family '{name}' not found; known: {', '.join(_CLASSES)}")
    module = importlib.import_module(f"{__name__}.{name}.program")
    return cast("type[Family]", getattr(module, _CLASSES[name]))


__all__ = ["Family", "Program", "family"]
