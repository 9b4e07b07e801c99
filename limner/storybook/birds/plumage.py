"""The colours of birds: the ten of Storybook and grey, and the paints of what is about them.

A shape of a bird has the paint "crown", "crown shade" or "crown light": a part, and which of its colour's tones.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..palette import COLOURS, RGB, Tones
from .bird import Bird

PLUMAGE: dict[str, Tones] = {**COLOURS, "grey": Tones((140, 146, 157), (106, 112, 124), (176, 182, 192))}

FIXED: dict[str, RGB] = {
    "iris": (150, 74, 28),
    "ink": (24, 22, 30),
    "glint": (255, 255, 255),
    "bark": (124, 92, 66),
    "bark shade": (98, 70, 50),
    "bark light": (150, 116, 86),
    "leaf": (124, 168, 92),
    "leaf shade": (98, 142, 74),
}

AIRS: tuple[tuple[RGB, RGB, RGB], ...] = (
    ((188, 214, 226), (174, 203, 218), (201, 223, 233)),
    ((190, 211, 178), (176, 200, 164), (203, 220, 191)),
    ((168, 203, 196), (154, 191, 184), (184, 214, 207)),
    ((224, 208, 184), (213, 195, 168), (232, 218, 197)),
    ((206, 200, 218), (193, 186, 208), (217, 212, 227)),
)
"""What is behind a bird, far away: its tone, and those of the soft discs in it. None is said in a caption."""

EARTHS: tuple[tuple[RGB, RGB, RGB], ...] = (
    ((150, 176, 108), (130, 158, 90), (168, 192, 124)),
    ((198, 174, 134), (178, 153, 114), (213, 191, 154)),
    ((168, 158, 148), (148, 138, 128), (186, 177, 168)),
)
"""What a bird on the ground stands on: grass, sand, stone; its tone, and those of what lies on it."""

PARTS = {
    "main": "colour",
    "eyering": "eyering_colour",
    "bill": "bill_colour",
    **{
        part: part
        for part in ("crown", "throat", "breast", "belly", "back", "wing", "wingbars", "tail", "legs")
    },
}
"""Which trait says the colour of a painted part."""


def paints(bird: Bird) -> Mapping[str, RGB]:
    """The sRGB value of every paint of a bird; a part that it has not, or that is not said, has no paint."""
    found = dict(FIXED)
    for part, kind in PARTS.items():
        colour = getattr(bird, kind)
        if colour in PLUMAGE:
            tones = PLUMAGE[colour]
            found |= {part: tones.main, f"{part} shade": tones.shade, f"{part} light": tones.light}
    return found
