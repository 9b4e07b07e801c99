"""Draws the page's icons, the shapes of favicon.svg as PNG: python docs/make_icons.py limner/service/pages/icons."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

GOLD, LAPIS, SUN, HILL = "#c8962e", "#2a45c9", "#f6d77a", "#eef0f6"
OVER = 4  # drawn larger, then made smaller, for smooth edges


def icon(size: int, whole: bool) -> Image.Image:
    """The gilded frame with its picture, `size` pixels a side; `whole` fills the square, for launchers that cut it."""
    side = size * OVER
    unit = side / 32 * (0.72 if whole else 1)
    shift = (side - 32 * unit) / 2
    image = Image.new("RGBA", (side, side), GOLD if whole else (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)

    def at(*places: float) -> list[float]:
        return [shift + place * unit for place in places]

    if not whole:
        pen.rounded_rectangle(at(0, 0, 32, 32), 7 * unit, fill=GOLD)
    inside = Image.new("L", (side, side), 0)
    ImageDraw.Draw(inside).rounded_rectangle(at(4, 4, 28, 28), 3.5 * unit, fill=255)
    picture = Image.new("RGBA", (side, side), LAPIS)
    sky = ImageDraw.Draw(picture)
    sky.ellipse(at(16.9, 8.4, 24.1, 15.6), fill=SUN)
    crest = [(4, 22), (6.5, 19.4), (9, 17.9), (11.5, 17.4), (13.5, 17.8), (15, 18.5), (17, 19.8), (19, 20.3)]
    crest += [(22, 19.6), (25, 17.9), (28, 16), (28, 28), (4, 28)]
    sky.polygon([(at(x)[0], at(y)[0]) for x, y in crest], fill=HILL)
    image.paste(picture, mask=inside)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def main(folder: Path) -> None:
    """Write 192.png, 512.png and whole-512.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size, whole in (("192", 192, False), ("512", 512, False), ("whole-512", 512, True)):
        icon(size, whole).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
