"""Boat and rocket: what sails and what flies."""

from __future__ import annotations

from ..shapes import Shape, ellipse, grounded, moved, path, rect, turned
from .subject import Subject


def boat_sloop(pose: float) -> list[Shape]:
    """A sailing boat with a tall mainsail and a jib."""
    mast = rect(0.44, 0.0, 0.5, 0.82, "wood")
    main = path("M.42 .04 C.38 .28 .28 .5 .02 .7 C.16 .725 .3 .725 .42 .7 Z", "main")
    jib = path("M.53 .12 C.62 .34 .72 .54 .92 .68 C.78 .72 .66 .72 .53 .7 Z", "light")
    hull = [
        path("M.02 .78 L.98 .78 C.94 .92 .84 1 .72 1 L.26 1 C.14 1 .06 .92 .02 .78 Z", "main"),
        path("M.065 .89 L.93 .89 C.89 .96 .82 1 .72 1 L.26 1 C.17 1 .1 .96 .065 .89 Z", "shade"),
    ]
    flag = path("M.5 .0 L.62 .04 L.5 .08 Z", "ember")
    return grounded(moved(turned([mast, flag, main, jib, *hull], 6 * pose, 0.5, 0.95), scale=0.96))


def boat_square(pose: float) -> list[Shape]:
    """A wide boat under one square sail with stripes."""
    mast = rect(0.47, 0.02, 0.53, 0.8, "wood")
    sail = path(
        "M.16 .12 L.84 .12 C.93 .3 .93 .46 .84 .64 C.62 .58 .38 .58 .16 .64 C.24 .46 .24 .3 .16 .12 Z", "main"
    )
    band = path(
        "M.214 .3 L.901 .3 C.91 .356 .91 .413 .899 .47 L.213 .47 C.223 .413 .224 .356 .214 .3 Z", "light"
    )
    yard = rect(0.12, 0.08, 0.88, 0.14, "wood", 0.03)
    hull = [
        path(
            "M.0 .66 C.1 .76 .24 .78 .5 .78 C.76 .78 .9 .76 1 .64 C1 .84 .9 1 .7 1 L.3 1 "
            "C.1 1 .0 .86 .0 .66 Z",
            "main",
        ),
        path("M.03 .84 C.2 .9 .8 .9 .97 .83 C.92 .94 .83 1 .7 1 L.3 1 C.17 1 .08 .94 .03 .84 Z", "shade"),
    ]
    return grounded(moved(turned([mast, sail, band, yard, *hull], 6 * pose, 0.5, 0.95), scale=0.95))


def boat_dinghy(pose: float) -> list[Shape]:
    """A small boat with one bellied sail."""
    mast = rect(0.3, 0.0, 0.36, 0.82, "wood")
    sail = path("M.38 .04 C.7 .14 .92 .4 .9 .68 C.74 .64 .56 .64 .38 .68 Z", "main")
    belly = path("M.38 .04 C.48 .26 .52 .46 .52 .655 C.47 .66 .43 .67 .38 .68 Z", "shade")
    star = ellipse(0.66, 0.44, 0.075, 0.075, "light")
    hull = [
        path("M.04 .76 L1 .72 C.98 .86 .9 1 .74 1 L.24 1 C.12 1 .06 .9 .04 .76 Z", "main"),
        path("M.035 .74 L1 .7 L.985 .79 L.055 .83 Z", "light"),
    ]
    keel = path("M.09 .91 L.93 .89 C.89 .96 .83 1 .74 1 L.24 1 C.16 1 .12 .97 .09 .91 Z", "shade")
    return grounded(moved(turned([mast, sail, belly, star, *hull, keel], 6 * pose, 0.5, 0.95), scale=0.96))


def _porthole(x: float, y: float, r: float) -> list[Shape]:
    return [ellipse(x, y, r, r, "paper"), ellipse(x, y, 0.68 * r, 0.68 * r, "glass")]


def _flame(x: float, y: float, width: float, length: float) -> list[Shape]:
    return [
        path(
            f"M{x - w} {y} C{x - 1.1 * w} {y + 0.5 * h} {x - 0.3 * w} {y + 0.7 * h} {x} {y + h} "
            f"C{x + 0.3 * w} {y + 0.7 * h} {x + 1.1 * w} {y + 0.5 * h} {x + w} {y} Z",
            paint,
        )
        for w, h, paint in ((width, length, "ember"), (0.6 * width, 0.65 * length, "glow"))
    ]


def rocket_upright(pose: float) -> list[Shape]:
    """A rocket that climbs straight up."""
    fins = [
        path("M.36 .5 C.22 .56 .16 .68 .17 .86 L.38 .78 Z", "shade"),
        path("M.64 .5 C.78 .56 .84 .68 .83 .86 L.62 .78 Z", "shade"),
    ]
    body = path(
        "M.5 .0 C.66 .12 .72 .32 .71 .48 C.7 .62 .67 .72 .63 .82 L.37 .82 C.33 .72 .3 .62 .29 .48 "
        "C.28 .32 .34 .12 .5 .0 Z",
        "main",
    )
    dark = path(
        "M.62 .13 C.69 .239 .717 .369 .71 .48 C.7 .62 .67 .72 .63 .82 L.57 .82 C.63 .6 .66 .36 .62 .13 Z",
        "shade",
    )
    nose = path(
        "M.5 .0 C.562 .047 .61 .106 .643 .17 C.56 .2 .44 .2 .357 .17 C.39 .106 .438 .047 .5 .0 Z", "light"
    )
    fin = rect(0.465, 0.68, 0.535, 0.88, "shade", 0.03)
    return turned(
        [
            *_flame(0.5, 0.79, 0.13, 0.205 + 0.015 * pose),
            *fins,
            body,
            dark,
            nose,
            *_porthole(0.49, 0.4, 0.095),
            fin,
        ],
        7 * pose,
        0.5,
        0.6,
    )


def rocket_aslant(pose: float) -> list[Shape]:
    """A slim rocket on its way, aslant."""
    fins = [
        path("M.4 .58 C.26 .66 .22 .78 .24 .94 L.42 .84 Z", "shade"),
        path("M.6 .58 C.74 .66 .78 .78 .76 .94 L.58 .84 Z", "shade"),
    ]
    body = path(
        "M.5 -.08 C.62 .04 .67 .2 .67 .36 L.66 .84 L.34 .84 L.33 .36 C.33 .2 .38 .04 .5 -.08 Z", "main"
    )
    bands = [
        rect(0.335, 0.72, 0.665, 0.79, "shade"),
        path(
            "M.5 -.08 C.561 -.019 .604 .053 .632 .13 C.55 .15 .45 .15 .368 .13 "
            "C.396 .053 .439 -.019 .5 -.08 Z",
            "shade",
        ),
    ]
    shine = rect(0.375, 0.24, 0.42, 0.66, "light", 0.022)
    windows = [*_porthole(0.53, 0.34, 0.08), *_porthole(0.53, 0.56, 0.065)]
    flight = turned(
        [*_flame(0.5, 0.83, 0.12, 0.26 + 0.02 * pose), *fins, body, *bands, shine, *windows],
        38 + 6 * pose,
        0.5,
        0.5,
    )
    return moved(flight, dx=0.03, dy=-0.03, scale=0.95)


def rocket_round(pose: float) -> list[Shape]:
    """A stout rocket on three legs."""
    legs = [
        path("M.3 .6 C.12 .66 .04 .8 .03 1 L.14 1 C.18 .9 .26 .84 .38 .84 Z", "shade"),
        path("M.7 .6 C.88 .66 .96 .8 .97 1 L.86 1 C.82 .9 .74 .84 .62 .84 Z", "shade"),
    ]
    body = path(
        "M.5 .04 C.74 .14 .82 .38 .8 .54 C.79 .7 .74 .8 .68 .87 L.32 .87 C.26 .8 .21 .7 .2 .54 "
        "C.18 .38 .26 .14 .5 .04 Z",
        "main",
    )
    nose = [
        path(
            "M.5 .04 C.608 .085 .684 .158 .732 .24 C.58 .285 .42 .285 .268 .24 C.316 .158 .392 .085 .5 .04 Z",
            "shade",
        ),
        ellipse(0.5, 0.045, 0.05, 0.05, "light"),
    ]
    shine = path("M.25 .36 C.23 .46 .24 .6 .29 .72 L.34 .72 C.3 .6 .29 .46 .31 .36 Z", "light")
    door = [rect(0.42, 0.64, 0.58, 0.87, "shade", 0.07), rect(0.32, 0.85, 0.68, 0.91, "steel", 0.02)]
    flight = turned(
        [*_flame(0.5, 0.89, 0.12, 0.13), *legs, body, *nose, shine, *door, *_porthole(0.5, 0.44, 0.12)],
        6 * pose,
        0.5,
        0.6,
    )
    return moved(flight, dy=-0.03, scale=0.95)


VESSELS = (
    Subject("boat", ("boat", "sailboat"), ("boats", "sailboats"), (boat_sloop, boat_square, boat_dinghy)),
    Subject(
        "rocket",
        ("rocket", "spaceship"),
        ("rockets", "spaceships"),
        (rocket_upright, rocket_aslant, rocket_round),
        floats=True,
    ),
)
