"""The colours of Storybook: ten that subjects wear, and the fixed paints of their details.

A subject colour is a triple of tones: `main` fills most of the subject, `shade` and `light` model it.
Backgrounds use the same ten hues in softer tones (`places`), so that a colour alone gives nothing away.
"""

from __future__ import annotations

from typing import NamedTuple

RGB = tuple[int, int, int]


class Tones(NamedTuple):
    """The three tones of one subject colour, sRGB 0..255."""

    main: RGB
    shade: RGB
    light: RGB


COLOURS: dict[str, Tones] = {
    "red": Tones((214, 48, 49), (166, 30, 42), (238, 106, 98)),
    "green": Tones((50, 158, 70), (30, 114, 52), (112, 198, 118)),
    "blue": Tones((42, 96, 212), (26, 64, 158), (104, 150, 240)),
    "yellow": Tones((250, 208, 44), (222, 168, 18), (255, 232, 128)),
    "orange": Tones((244, 130, 30), (204, 96, 14), (255, 176, 98)),
    "purple": Tones((138, 70, 188), (100, 44, 144), (178, 122, 218)),
    "pink": Tones((246, 134, 180), (220, 90, 144), (255, 184, 212)),
    "white": Tones((252, 252, 250), (210, 213, 222), (255, 255, 255)),
    "black": Tones((38, 36, 44), (18, 17, 22), (78, 76, 90)),
    "brown": Tones((134, 84, 48), (96, 57, 31), (174, 122, 82)),
}

PAINTS: dict[str, RGB] = {
    "ink": (30, 28, 40),
    "paper": (250, 244, 228),
    "white": (255, 255, 255),
    "skin": (240, 194, 156),
    "tan": (176, 122, 84),
    "hair": (92, 60, 44),
    "wood": (158, 108, 66),
    "bark": (112, 78, 54),
    "leaf": (104, 180, 84),
    "steel": (150, 160, 174),
    "iron": (92, 100, 114),
    "glass": (176, 220, 240),
    "flame": (255, 168, 40),
    "ember": (246, 92, 32),
    "glow": (255, 236, 150),
    "blush": (244, 156, 150),
    "gold": (232, 186, 66),
}


def tone(paint: str, colour: str) -> RGB:
    """The sRGB value of a paint: "main", "shade" or "light" of the subject's colour, or a fixed paint."""
    tones = COLOURS[colour]
    if paint in ("main", "shade", "light"):
        return getattr(tones, paint)  # type: ignore[no-any-return]
    return PAINTS[paint]
