"""The guitar, acoustic and electric."""

from __future__ import annotations

from ..shapes import Shape, ellipse, grounded, inset, moved, path, rect, turned
from .subject import Subject

_ACOUSTIC = (
    "M.5 .45 C.64 .41 .74 .46 .74 .55 C.74 .63 .7 .65 .71 .7 C.73 .75 .83 .77 .83 .87 C.83 .97 .66 1 .5 1"
    "C.34 1 .17 .97 .17 .87 C.17 .77 .27 .75 .29 .7 C.3 .65 .26 .63 .26 .55 C.26 .46 .36 .41 .5 .45 Z"
)


def _neck(x: float, top: float, bottom: float, width: float) -> list[Shape]:
    """A fretted neck with its head, which ends at `top`."""
    w = width / 2
    head = path(
        f"M{x - w} {top + 0.19} L{x - 1.5 * w} {top + 0.02} "
        f"Q{x} {top - 0.03} {x + 1.5 * w} {top + 0.02} L{x + w} {top + 0.19} Z",
        "shade",
    )
    pegs = [ellipse(x + k * 1.75 * w, top + y, 0.032, 0.028, "steel") for k in (-1, 1) for y in (0.055, 0.13)]
    dots = [ellipse(x, top + y, 0.024, 0.024, "gold") for y in (0.26, 0.36, 0.46)]
    return [*pegs, head, rect(x - w, top + 0.18, x + w, bottom, "wood"), *dots]


def guitar_acoustic(pose: float) -> list[Shape]:
    """An acoustic guitar that stands upright."""
    body = path(_ACOUSTIC, "shade")
    top = path(_ACOUSTIC, "main")
    hole = [ellipse(0.5, 0.64, 0.105, 0.105, "light"), ellipse(0.5, 0.64, 0.075, 0.075, "ink")]
    bridge = rect(0.37, 0.84, 0.63, 0.89, "shade", 0.02)
    shapes = [body, inset(top, "main", 0.93, 0.46, 0.74), *hole, *_neck(0.5, 0.02, 0.6, 0.11), bridge]
    return grounded(turned(shapes, 8 * pose, 0.5, 1.0))


def guitar_cutaway(pose: float) -> list[Shape]:
    """A guitar with one shoulder cut away, leaning far over."""
    body = path(
        "M.44 .46 C.32 .42 .22 .48 .23 .57 C.24 .64 .29 .66 .27 .71 C.24 .76 .17 .8 .18 .89 "
        "C.2 1 .36 1.04 .5 1.04"
        "C.64 1.04 .8 1 .82 .89 C.83 .8 .75 .76 .73 .71 C.71 .66 .77 .6 .77 .53 "
        "C.77 .48 .71 .48 .69 .52 C.65 .58 .57 .58 .542 .46 Z",
        "main",
    )
    rim = path(
        "M.73 .71 C.75 .76 .83 .8 .82 .89 C.8 1 .64 1.04 .5 1.04 C.4 1.04 .28 1.02 .22 .96 "
        "C.5 1 .74 .94 .7 .74 Z",
        "shade",
    )
    guard = path("M.55 .7 C.63 .66 .69 .72 .67 .81 C.6 .83 .54 .79 .55 .7 Z", "shade")
    hole = [ellipse(0.48, 0.67, 0.1, 0.1, "light"), ellipse(0.48, 0.67, 0.072, 0.072, "ink")]
    bridge = rect(0.38, 0.87, 0.6, 0.915, "shade", 0.02)
    shapes = [body, rim, guard, *hole, *_neck(0.49, -0.06, 0.62, 0.105), bridge]
    return grounded(moved(turned(shapes, 36 + 7 * pose, 0.5, 0.6), dx=0.02, scale=0.95))


def guitar_electric(pose: float) -> list[Shape]:
    """An electric guitar with two horns."""
    body = path(
        "M.45 .56 C.4 .56 .36 .5 .29 .43 C.22 .43 .2 .52 .24 .6 C.28 .67 .26 .7 .22 .77 C.16 .88 .22 1 .36 1"
        "C.44 1 .48 .97 .54 .97 C.62 .97 .68 1 .74 .96 C.84 .9 .82 .8 .76 .74 "
        "C.7 .69 .72 .64 .76 .58 C.8 .5 .74 .47 .69 .49"
        "C.64 .53 .62 .57 .55 .57 Z",
        "main",
    )
    plate = path("M.57 .62 C.66 .62 .66 .7 .7 .76 C.74 .82 .72 .9 .66 .91 C.58 .91 .6 .82 .57 .78 Z", "light")
    pickups = [rect(0.4, y, 0.6, y + 0.05, "ink", 0.015) for y in (0.68, 0.77)]
    bridge = rect(0.42, 0.87, 0.58, 0.91, "steel", 0.015)
    knobs = [ellipse(0.67, 0.86, 0.026, 0.026, "shade"), ellipse(0.655, 0.79, 0.024, 0.024, "shade")]
    dark = path("M.22 .77 C.16 .88 .22 1 .36 1 C.44 1 .48 .97 .54 .97 C.42 .94 .28 .94 .25 .72 Z", "shade")
    shapes = [body, dark, plate, *knobs, *_neck(0.5, 0.0, 0.64, 0.1), *pickups, bridge]
    return grounded(moved(turned(shapes, -18 + 8 * pose, 0.5, 0.8), dx=0.06, scale=0.97))


MUSIC = (Subject("guitar", ("guitar",), ("guitars",), (guitar_acoustic, guitar_cutaway, guitar_electric)),)
