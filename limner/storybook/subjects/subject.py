"""What the world knows of a subject: its words, its drawings and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..shapes import Shape

Drawing = Callable[[float], list[Shape]]


@dataclass(frozen=True)
class Subject:
    """One kind of thing that Storybook can draw.

    `words` are its names in the singular, the plainest first; `plurals` match them one to one.
    `drawings` are functions of a pose in [-1, 1]; each fills the unit box and stands on its lower edge.
    `floats` says that it may hang in the sky; `top` is the height of the surface on which another subject
    can stand, as a fraction of its own height measured from the ground (None: nothing can stand on it).
    """

    name: str
    words: tuple[str, ...]
    plurals: tuple[str, ...]
    drawings: tuple[Drawing, ...]
    floats: bool = False
    top: float | None = None
