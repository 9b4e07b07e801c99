"""Cup, book, umbrella, hat and chair: things about the house."""

from __future__ import annotations

import math

from ..shapes import Shape, ellipse, grounded, inset, leaned, moved, path, polygon, rect, stroke, turned
from .subject import Subject


def cup_mug(pose: float) -> list[Shape]:
    """A mug seen from a little above."""
    handle = stroke(
        [(0.66, 0.36), (0.84, 0.32), (0.94, 0.44), (0.92, 0.62), (0.8, 0.76), (0.64, 0.78)],
        0.11,
        "shade",
        smooth=True,
    )
    body = [
        path("M.02 .2 L.74 .2 L.72 .86 C.72 1.04 .04 1.04 .04 .86 Z", "main"),
        path("M.54 .2 L.74 .2 L.72 .86 C.72 .94 .6 .985 .46 .995 C.56 .9 .56 .6 .54 .2 Z", "shade"),
        ellipse(0.38, 0.2, 0.36, 0.11, "light"),
        ellipse(0.38, 0.215, 0.29, 0.075, "hair"),
    ]
    return grounded(moved(turned([handle, *body], 4 * pose, 0.5, 0.9), scale=0.96))


def cup_tea(pose: float) -> list[Shape]:
    """A round teacup on its saucer."""
    saucer = [
        path("M.06 .86 L.94 .86 C.9 .96 .72 1 .5 1 C.28 1 .1 .96 .06 .86 Z", "shade"),
        rect(0.02, 0.83, 0.98, 0.9, "main", 0.035),
    ]
    handle = stroke(
        [(0.68, 0.46), (0.84, 0.42), (0.91, 0.52), (0.84, 0.63), (0.64, 0.69)], 0.085, "shade", smooth=True
    )
    bowl = [
        path("M.06 .36 L.76 .36 C.76 .62 .66 .84 .5 .86 L.32 .86 C.16 .84 .06 .62 .06 .36 Z", "main"),
        path("M.56 .36 L.76 .36 C.76 .62 .66 .84 .5 .86 L.38 .86 C.54 .76 .58 .56 .56 .36 Z", "shade"),
        rect(0.03, 0.32, 0.79, 0.4, "light", 0.04),
    ]
    steam = [
        stroke([(x, 0.26), (x - 0.04, 0.18), (x + 0.04, 0.1), (x, 0.02)], 0.05, "paper", smooth=True)
        for x in (0.32, 0.5)
    ]
    return [*leaned(steam, 0.08 * pose), *saucer, handle, *bowl]


def cup_belly(pose: float) -> list[Shape]:
    """A wide-bellied mug with a pale band."""
    handle = stroke(
        [(0.68, 0.36), (0.86, 0.36), (0.93, 0.5), (0.88, 0.66), (0.7, 0.74)], 0.1, "main", smooth=True
    )
    body = path(
        "M.1 .16 L.7 .16 C.72 .3 .8 .42 .8 .6 C.8 .84 .66 1 .56 1"
        "L.24 1 C.14 1 .0 .84 .0 .6 C.0 .42 .08 .3 .1 .16 Z",
        "shade",
    )
    lit = inset(body, "main", 0.9, 0.3, 0.5)
    band = path(
        "M.035 .5 Q.4 .58 .75 .5 C.765 .57 .765 .62 .755 .67 Q.4 .77 .03 .67 C.02 .62 .02 .57 .035 .5 Z",
        "paper",
    )
    rim = rect(0.06, 0.12, 0.74, 0.2, "light", 0.04)
    return grounded(moved(turned([handle, body, lit, band, rim], -4 * pose, 0.5, 0.9), scale=0.97))


def book_standing(pose: float) -> list[Shape]:
    """A closed book that stands on its edge, its pages to the right."""
    back = polygon([(0.16, 0.03), (0.92, 0.0), (0.92, 0.95), (0.16, 1.0)], "shade")
    pages = polygon([(0.7, 0.07), (0.86, 0.055), (0.86, 0.9), (0.7, 0.94)], "paper")
    cover = [rect(0.08, 0.03, 0.78, 1.0, "main", 0.04), rect(0.08, 0.03, 0.22, 1.0, "shade", 0.04)]
    title = [rect(0.32, 0.17, 0.68, 0.4, "light", 0.03), rect(0.32, 0.8, 0.68, 0.86, "light")]
    return leaned([back, pages, *cover, *title], 0.05 * pose)


def book_lying(pose: float) -> list[Shape]:
    """A thick book that lies on its back, seen from the corner of its spine."""
    sides = [
        polygon([(0.8, 0.56), (1.0, 0.2), (1.0, 0.6), (0.8, 1.0)], "shade"),
        polygon([(0.78, 0.66), (0.96, 0.33), (0.96, 0.6), (0.78, 0.91)], "paper"),
    ]
    block = [rect(0.0, 0.54, 0.84, 1.0, "shade", 0.08), rect(0.08, 0.65, 0.8, 0.91, "paper")]
    boards = [rect(0.03, 0.54, 0.84, 0.65, "main", 0.03), rect(0.03, 0.9, 0.84, 1.0, "main", 0.03)]
    cover = polygon([(0.03, 0.57), (0.83, 0.57), (1.0, 0.2), (0.24, 0.2)], "main")
    title = polygon([(0.28, 0.45), (0.66, 0.45), (0.75, 0.29), (0.39, 0.29)], "light")
    shapes = leaned([*sides, *block, *boards, cover, title], 0.07 * pose)
    return moved(shapes, dx=-0.02 * pose, scale=0.96)


def book_open(pose: float) -> list[Shape]:
    """A book set open on its lower edge, both covers to the front."""
    fold = 0.04 * pose
    pages = polygon([(0.06, 0.12), (0.5, 0.02 + fold / 2), (0.94, 0.12), (0.94, 0.9), (0.06, 0.9)], "paper")
    left = polygon([(0.0, 0.16), (0.46, 0.08 + fold), (0.46, 1.0), (0.0, 0.94)], "main")
    right = polygon([(0.54, 0.08 + fold), (1.0, 0.16), (1.0, 0.94), (0.54, 1.0)], "main")
    back = rect(0.44, 0.06 + fold, 0.56, 1.0, "shade", 0.03)
    mark = polygon([(0.64, 0.28), (0.9, 0.31), (0.9, 0.52), (0.64, 0.52)], "light")
    return [pages, left, right, back, mark]


def _pole(hook: float) -> list[Shape]:
    """The stick of an umbrella, its crook turned to the side of `hook`."""
    bend = [math.radians(a) for a in range(0, 181, 30)]
    crook = [(0.5 + hook / 2 * (1 - math.cos(a)), 0.89 + abs(hook) / 2 * math.sin(a)) for a in bend]
    return [stroke([(0.5, 0.04), (0.5, 0.7), *crook], 0.053, "wood", smooth=True)]


def umbrella_open(pose: float) -> list[Shape]:
    """An open umbrella with four scallops."""
    canopy = (
        "M.02 .54 C.02 .24 .24 .06 .5 .06 C.76 .06 .98 .24 .98 .54 C.92 .46 .8 .46 .74 .54"
        "C.68 .46 .56 .46 .5 .54 C.44 .46 .32 .46 .26 .54 C.2 .46 .08 .46 .02 .54 Z"
    )
    panel = "M.5 .06 C.76 .06 .98 .24 .98 .54 C.92 .46 .8 .46 .74 .54 C.74 .34 .66 .14 .5 .06 Z"
    light = "M.5 .06 C.34 .14 .26 .34 .26 .54 C.32 .46 .44 .46 .5 .54 Z"
    return grounded(
        turned(
            [*_pole(-0.15), path(canopy, "main"), path(panel, "shade"), path(light, "light")],
            9 * pose,
            0.5,
            0.55,
        )
    )


def umbrella_bell(pose: float) -> list[Shape]:
    """A deep bell of an umbrella with a border."""
    canopy = (
        "M.08 .62 C.06 .3 .2 .05 .5 .05 C.8 .05 .94 .3 .92 .62"
        "Q.78 .54 .64 .62 Q.5 .54 .36 .62 Q.22 .54 .08 .62 Z"
    )
    middle = "M.5 .05 C.38 .12 .33 .36 .36 .62 Q.5 .54 .64 .62 C.67 .36 .62 .12 .5 .05 Z"
    right = "M.5 .05 C.8 .05 .94 .3 .92 .62 Q.78 .54 .64 .62 C.67 .36 .62 .12 .5 .05 Z"
    shapes = [
        *_pole(0.16),
        path(canopy, "main"),
        path(right, "shade"),
        path(middle, "main"),
        rect(0.47, 0.0, 0.53, 0.08, "wood", 0.03),
        ellipse(0.25, 0.3, 0.045, 0.1, "light", 25),
    ]
    return grounded(turned(shapes, 8 * pose, 0.5, 0.6))


def umbrella_tilted(pose: float) -> list[Shape]:
    """An umbrella held against the wind, its stripes in view."""
    canopy = (
        "M-.02 .5 C.04 .22 .26 .1 .5 .1 C.74 .1 .96 .22 1.02 .5 L.82 .44 L.66 .52 L.5 .45 L.34 .52 L.18 .44 Z"
    )
    stripes = [
        "M.5 .1 C.6 .18 .66 .34 .66 .52 L.82 .44 C.78 .28 .66 .14 .5 .1 Z",
        "M.5 .1 C.4 .18 .34 .34 .34 .52 L.18 .44 C.22 .28 .34 .14 .5 .1 Z",
    ]
    shapes = [*_pole(0.15), path(canopy, "main"), *(path(s, "light") for s in stripes)]
    return grounded(moved(turned(shapes, 22 + 6 * pose, 0.5, 0.6), dx=-0.02, scale=0.98))


def hat_top(pose: float) -> list[Shape]:
    """A top hat."""
    brim = [ellipse(0.5, 0.88, 0.5, 0.12, "shade"), ellipse(0.5, 0.855, 0.5, 0.105, "main")]
    crown = [
        path(
            "M.17 .1 L.83 .1 C.78 .3 .77 .6 .79 .84 C.76 .92 .24 .92 .21 .84 C.23 .6 .22 .3 .17 .1 Z", "main"
        ),
        path(
            "M.64 .1 L.83 .1 C.78 .3 .77 .6 .79 .84 C.77 .88 .7 .895 .62 .9 C.66 .6 .66 .3 .64 .1 Z", "shade"
        ),
        path("M.215 .64 Q.5 .74 .785 .64 L.79 .84 C.76 .92 .24 .92 .21 .84 Z", "light"),
        ellipse(0.5, 0.1, 0.33, 0.085, "light"),
    ]
    return grounded(turned([*brim, *crown], 6 * pose, 0.5, 0.9))


def hat_felt(pose: float) -> list[Shape]:
    """A felt hat with a dented crown and a ribbon."""
    crown = path(
        "M.18 .8 C.18 .5 .22 .28 .34 .22 C.42 .18 .46 .28 .52 .28"
        "C.58 .28 .62 .16 .7 .2 C.8 .26 .84 .5 .84 .8 Z",
        "main",
    )
    side = path(
        "M.66 .19 C.68 .19 .69 .195 .7 .2 C.8 .26 .84 .5 .84 .8 L.64 .8 C.7 .6 .7 .4 .66 .19 Z", "shade"
    )
    ribbon = path("M.178 .66 Q.5 .74 .835 .66 L.84 .84 L.178 .84 Z", "paper")
    brim = path(
        "M.0 .74 C.16 .8 .3 .84 .5 .84 C.7 .84 .84 .8 1 .72 C1.02 .84 .86 1 .5 1 C.18 1 -.02 .86 .0 .74 Z",
        "main",
    )
    under = path(
        "M.02 .82 C.16 .92 .34 .95 .5 .95 C.7 .95 .88 .9 .985 .8 C.95 .9 .8 1 .5 1 C.22 1 .06 .92 .02 .82 Z",
        "shade",
    )
    return grounded(
        turned(
            [crown, side, ribbon, brim, under, ellipse(0.3, 0.42, 0.04, 0.1, "light", 12)], 6 * pose, 0.5, 0.9
        )
    )


def hat_sun(pose: float) -> list[Shape]:
    """A sun hat with a wide wavy brim."""
    brim = path(
        "M.0 .8 C.1 .62 .3 .56 .5 .56 C.7 .56 .9 .62 1 .8 C1.0 .97 .88 .98 .76 .95"
        "C.62 .92 .56 1 .44 1 C.32 1 .28 .93 .18 .95 C.08 .98 .0 .96 .0 .8 Z",
        "main",
    )
    shadow = path("M.15 .74 C.28 .84 .72 .84 .85 .74 C.76 .92 .24 .92 .15 .74 Z", "shade")
    crown = path("M.24 .7 C.22 .44 .32 .28 .5 .28 C.68 .28 .78 .44 .76 .7 C.7 .78 .3 .78 .24 .7 Z", "main")
    side = path(
        "M.56 .285 C.7 .31 .78 .46 .76 .7 C.72 .74 .66 .752 .6 .756 C.66 .6 .66 .42 .56 .285 Z", "shade"
    )
    ribbon = path("M.236 .56 Q.5 .66 .764 .56 L.76 .7 C.7 .78 .3 .78 .24 .7 Z", "paper")
    shine = ellipse(0.355, 0.42, 0.04, 0.065, "light", 24)
    return grounded(turned([brim, shadow, crown, side, ribbon, shine], 5 * pose, 0.5, 0.9))


def chair_kitchen(pose: float) -> list[Shape]:
    """A wooden chair seen from the front and a little from above."""
    behind = [rect(0.24, 0.55, 0.34, 0.9, "shade"), rect(0.66, 0.55, 0.76, 0.9, "shade")]
    back = [
        rect(0.17, 0.03, 0.29, 0.55, "main", 0.04),
        rect(0.71, 0.03, 0.83, 0.55, "main", 0.04),
        rect(0.2, 0.06, 0.8, 0.2, "main", 0.03),
        rect(0.2, 0.28, 0.8, 0.39, "shade", 0.02),
    ]
    seat = [path("M.2 .46 L.8 .46 L.92 .6 L.08 .6 Z", "light"), rect(0.08, 0.59, 0.92, 0.69, "main", 0.03)]
    legs = [rect(0.1, 0.66, 0.22, 1.0, "main"), rect(0.78, 0.66, 0.9, 1.0, "main")]
    return leaned([*behind, *back, *legs, *seat], 0.05 * pose)


def chair_side(pose: float) -> list[Shape]:
    """A chair in profile, its back to the left."""
    behind = [polygon([(0.68, 0.6), (0.78, 0.6), (0.84, 0.96), (0.74, 0.96)], "shade")]
    frame = [
        path("M.1 .0 Q.22 .0 .23 .06 L.3 .5 L.24 1 L.1 1 L.16 .52 L.06 .06 Q.05 .0 .1 .0 Z", "main"),
        polygon([(0.8, 0.6), (0.92, 0.6), (0.97, 1.0), (0.85, 1.0)], "main"),
        rect(0.18, 0.76, 0.88, 0.83, "shade"),
    ]
    seat = [rect(0.12, 0.54, 0.97, 0.66, "main", 0.04), rect(0.26, 0.45, 0.96, 0.56, "light", 0.05)]
    return leaned([*behind, *frame, *seat], 0.04 * pose)


def chair_arm(pose: float) -> list[Shape]:
    """A stuffed armchair."""
    feet = [rect(0.12, 0.9, 0.22, 1.0, "wood"), rect(0.78, 0.9, 0.88, 1.0, "wood")]
    back = [rect(0.16, 0.02, 0.84, 0.8, "main", 0.16), rect(0.25, 0.12, 0.75, 0.6, "shade", 0.1)]
    seat = [rect(0.16, 0.6, 0.84, 0.92, "shade", 0.03), rect(0.18, 0.49, 0.82, 0.66, "light", 0.07)]
    arms = [
        rect(0.02, 0.38, 0.22, 0.92, "main", 0.09),
        rect(0.78, 0.38, 0.98, 0.92, "main", 0.09),
        rect(0.1, 0.82, 0.9, 0.93, "main", 0.03),
    ]
    return leaned([*feet, *back, *seat, *arms], 0.03 * pose)


HOUSEHOLD = (
    Subject("cup", ("cup", "mug", "teacup"), ("cups", "mugs", "teacups"), (cup_mug, cup_tea, cup_belly)),
    Subject("book", ("book",), ("books",), (book_standing, book_lying, book_open), top=0.92),
    Subject(
        "umbrella",
        ("umbrella", "parasol"),
        ("umbrellas", "parasols"),
        (umbrella_open, umbrella_bell, umbrella_tilted),
    ),
    Subject("hat", ("hat",), ("hats",), (hat_top, hat_felt, hat_sun)),
    Subject(
        "chair",
        ("chair", "armchair"),
        ("chairs", "armchairs"),
        (chair_kitchen, chair_side, chair_arm),
        top=0.5,
    ),
)
