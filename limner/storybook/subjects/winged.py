"""Bird, butterfly and fish: what flies or swims."""

from __future__ import annotations

import numpy as np

from ..shapes import Shape, blob, ellipse, grounded, moved, path, stroke, turned
from .subject import Subject


def _eye(x: float, y: float, size: float) -> list[Shape]:
    return [ellipse(x, y, size, size, "white"), ellipse(x + 0.2 * size, y, 0.62 * size, 0.66 * size, "ink")]


def _beak(x: float, y: float, size: float) -> list[Shape]:
    upper = path(
        f"M{x} {y - 0.6 * size} Q{x + 0.8 * size} {y - 0.5 * size} {x + size} {y + 0.1 * size} "
        f"L{x} {y + 0.1 * size} Z",
        "flame",
    )
    lower = path(
        f"M{x} {y + 0.1 * size} L{x + 0.8 * size} {y + 0.1 * size} "
        f"Q{x + 0.5 * size} {y + 0.5 * size} {x} {y + 0.5 * size} Z",
        "gold",
    )
    return [lower, upper]


def bird_perched(pose: float) -> list[Shape]:
    """A songbird that stands."""
    legs = [stroke([(x, 0.8), (x, 0.97), (x + 0.07, 0.975)], 0.05, "flame") for x in (0.47, 0.58)]
    body = path(
        "M.0 .84 L.2 .62 C.3 .44 .38 .06 .66 .05 C.85 .05 .91 .18 .9 .34 C.9 .66 .74 .86 .5 .86"
        "C.4 .86 .3 .83 .24 .78 L.07 .93 Z",
        "main",
    )
    breast = path(
        "M.892 .46 C.856 .709 .708 .86 .5 .86 C.44 .86 .4 .85 .36 .84 C.58 .82 .7 .6 .72 .44 "
        "C.78 .5 .84 .5 .892 .46 Z",
        "light",
    )
    wing = path(
        "M.62 .4 C.7 .58 .56 .74 .36 .74 L.1 .78 C.2 .68 .28 .38 .46 .34 C.54 .33 .6 .35 .62 .4 Z", "shade"
    )
    bird = [
        body,
        breast,
        *turned([wing], 6 * pose, 0.56, 0.42),
        *_beak(0.87, 0.24, 0.14),
        *_eye(0.75, 0.21, 0.055),
    ]
    return moved([*legs, *turned(bird, 5 * pose, 0.52, 0.8)], dx=-0.015, scale=0.94)


def bird_flying(pose: float) -> list[Shape]:
    """A bird in flight, its wings raised."""
    far = path("M.5 .56 C.5 .4 .56 .2 .76 .06 C.82 .26 .78 .46 .68 .6 Z", "shade")
    near = path("M.3 .64 C.18 .5 .1 .24 .14 .0 C.32 .1 .6 .34 .58 .66 Z", "main")
    feathers = path("M.3 .64 C.18 .5 .1 .24 .14 .0 C.19 .24 .28 .5 .44 .65 Z", "shade")
    body = path(
        "M.0 .72 C.16 .62 .3 .54 .5 .54 C.6 .52 .66 .42 .78 .42 C.9 .42 .94 .52 .93 .6 C.9 .78 .7 .88 .52 .88"
        "C.36 .88 .24 .82 .18 .8 L.03 .9 L.08 .79 Z",
        "main",
    )
    belly = path(
        "M.926 .62 C.885 .787 .693 .88 .52 .88 C.4 .88 .3 .85 .24 .825 C.46 .82 .66 .8 .76 .66 "
        "C.82 .69 .88 .67 .926 .62 Z",
        "light",
    )
    flap = 14 * pose
    bird = [
        *turned([far], flap, 0.6, 0.58), body, belly, *_beak(0.91, 0.54, 0.13), *_eye(0.82, 0.53, 0.048),
        *turned([near, feathers], -flap, 0.45, 0.64),
    ]  # fmt: skip
    return grounded(moved(bird, dx=-0.01, scale=0.96))


def bird_plump(pose: float) -> list[Shape]:
    """A round little bird with its tail in the air."""
    legs = [stroke([(x, 0.84), (x, 0.97), (x + 0.07, 0.975)], 0.055, "flame") for x in (0.46, 0.6)]
    tail = turned([path("M.3 .6 L.0 .34 Q-.01 .2 .13 .2 L.42 .42 Z", "shade")], 9 * pose, 0.3, 0.5)
    body = ellipse(0.54, 0.5, 0.37, 0.37, "main")
    belly = path("M.9 .6 C.86 .78 .7 .87 .54 .87 C.42 .87 .32 .82 .25 .73 C.5 .78 .66 .54 .9 .6 Z", "light")
    tuft = path("M.5 .16 C.46 .08 .5 .02 .58 .0 C.58 .06 .62 .1 .68 .16 Z", "main")
    wing = path(
        "M.56 .44 C.62 .62 .48 .76 .3 .72 C.22 .7 .16 .66 .13 .6 C.28 .58 .3 .42 .42 .38 "
        "C.5 .37 .54 .39 .56 .44 Z",
        "shade",
    )
    face = [*_beak(0.88, 0.42, 0.14), *_eye(0.73, 0.35, 0.07)]
    return moved([*legs, *tail, tuft, body, belly, *turned([wing], -10 * pose, 0.5, 0.44), *face], scale=0.95)


def _mirrored(shapes: list[Shape], spread: float) -> list[Shape]:
    """The shapes and their mirror image about x = 0.5, both drawn in by `spread`."""
    axis, both = np.array([0.5, 0.0], np.float32), []
    for side in (spread, -spread):
        both += [
            Shape(((s.points - axis) * np.array([side, 1], np.float32) + axis).astype(np.float32), s.paint)
            for s in shapes
        ]
    return both


def _antennae(x: float, y: float) -> list[Shape]:
    return [
        s
        for k in (-1, 1)
        for s in (
            stroke([(x, y), (x + 0.05 * k, y - 0.08), (x + 0.11 * k, y - 0.13)], 0.036, "ink", smooth=True),
            ellipse(x + 0.11 * k, y - 0.13, 0.03, 0.03, "ink"),
        )
    ]


def butterfly_spread(pose: float) -> list[Shape]:
    """A butterfly from above, its wings spread."""
    upper = path("M.52 .44 C.56 .2 .72 .02 .9 .03 C1.02 .04 1 .22 .98 .34 C.95 .52 .74 .58 .52 .54 Z", "main")
    lower = path("M.52 .52 C.72 .5 .9 .56 .9 .72 C.9 .88 .78 1 .68 .98 C.56 .95 .52 .76 .52 .52 Z", "main")
    marks = [
        path(
            "M.9 .03 C1.02 .04 1 .22 .98 .34 C.971 .394 .946 .437 .909 .47 C.94 .33 .92 .17 .83 .046 "
            "C.855 .035 .88 .03 .9 .03 Z",
            "shade",
        ),
        path(
            "M.9 .72 C.9 .88 .78 1 .68 .98 C.634 .968 .599 .933 .574 .88 C.7 .92 .82 .84 .837 .585 "
            "C.877 .618 .9 .662 .9 .72 Z",
            "shade",
        ),
        ellipse(0.71, 0.3, 0.075, 0.1, "light", 30),
        ellipse(0.68, 0.7, 0.06, 0.075, "light", -25),
    ]
    body = [stroke([(0.5, 0.36), (0.5, 0.78)], 0.085, "ink"), ellipse(0.5, 0.3, 0.065, 0.065, "ink")]
    return [*_antennae(0.5, 0.27), *_mirrored([lower, upper, *marks], 0.9 + 0.1 * pose), *body]


def butterfly_side(pose: float) -> list[Shape]:
    """A butterfly from the side, its wings folded upwards."""
    far = path("M.6 .7 C.6 .4 .74 .14 .94 .02 C1.02 .24 .98 .56 .68 .74 Z", "shade")
    lower = path("M.6 .72 C.4 .6 .1 .6 .08 .78 C.06 .94 .22 1 .36 .96 C.5 .92 .6 .82 .64 .74 Z", "main")
    upper = path("M.66 .74 C.7 .46 .6 .08 .3 .01 C.12 -.01 .08 .18 .1 .34 C.14 .58 .44 .72 .66 .74 Z", "main")
    marks = [
        path(
            "M.3 .01 C.12 -.01 .08 .18 .1 .34 C.12 .459 .203 .553 .308 .62 C.2 .42 .2 .18 .3 .01 Z", "light"
        ),
        ellipse(0.42, 0.32, 0.085, 0.11, "light", -25),
        path(
            "M.08 .78 C.06 .94 .22 1 .36 .96 C.415 .944 .464 .919 .505 .89 C.36 .92 .2 .9 .13 .692 "
            "C.102 .713 .085 .742 .08 .78 Z",
            "shade",
        ),
        ellipse(0.27, 0.78, 0.06, 0.05, "light"),
    ]
    body = [
        stroke([(0.4, 0.9), (0.78, 0.66)], 0.085, "ink"),
        ellipse(0.82, 0.63, 0.065, 0.065, "ink"),
        stroke([(0.84, 0.6), (0.9, 0.54), (0.95, 0.46)], 0.036, "ink", smooth=True),
        ellipse(0.95, 0.46, 0.03, 0.03, "ink"),
    ]
    wings = turned([lower, upper, *marks], 8 * pose, 0.64, 0.74)
    return moved([*turned([far], -8 * pose, 0.64, 0.74), *wings, *body], dx=-0.03, dy=-0.01, scale=0.95)


def butterfly_swallowtail(pose: float) -> list[Shape]:
    """A swallowtail that flies aslant, with dotted wings."""
    upper = path(
        "M.52 .42 C.62 .26 .78 .12 .98 .14 C1.01 .32 .92 .52 .74 .56 C.66 .58 .58 .56 .52 .54 Z", "main"
    )
    lower = path(
        "M.52 .5 C.66 .52 .84 .58 .82 .72 C.81 .78 .77 .8 .76 .84 C.76 .9 .76 .96 .71 .97 "
        "C.66 .97 .67 .88 .64 .84 C.58 .8 .52 .68 .52 .5 Z",
        "main",
    )
    tip = path(
        "M.82 .72 C.81 .78 .77 .8 .76 .84 C.76 .9 .76 .96 .71 .97 C.66 .97 .67 .88 .64 .84 "
        "C.61 .82 .579 .779 .557 .72 C.64 .8 .76 .78 .787 .61 C.813 .64 .826 .676 .82 .72 Z",
        "shade",
    )
    dots = [
        ellipse(x, y, r, r, "light")
        for x, y, r in ((0.89, 0.22, 0.042), (0.86, 0.34, 0.042), (0.8, 0.45, 0.04), (0.7, 0.66, 0.05))
    ]
    band = path("M.57 .45 C.64 .36 .7 .3 .77 .26 C.75 .38 .7 .46 .6 .52 Z", "light")
    body = [stroke([(0.5, 0.36), (0.5, 0.76)], 0.08, "ink"), ellipse(0.5, 0.31, 0.06, 0.06, "ink")]
    wings = _mirrored([lower, tip, upper, band, *dots], 0.88 + 0.07 * pose)
    flight = turned([*_antennae(0.5, 0.28), *wings, *body], 24 + 6 * pose, 0.5, 0.55)
    return moved(flight, dx=-0.04, dy=-0.015, scale=0.95)


def fish_round(pose: float) -> list[Shape]:
    """A plump goldfish."""
    tail = turned(
        [path("M.28 .56 C.2 .42 .1 .32 .0 .3 C.03 .44 .03 .68 .0 .84 C.1 .82 .2 .7 .28 .58 Z", "shade")],
        12 * pose,
        0.26,
        0.56,
    )
    fins = [
        path("M.36 .36 C.4 .18 .54 .08 .72 .14 C.68 .22 .72 .3 .76 .36 Z", "shade"),
        path("M.46 .8 C.46 .92 .4 .98 .32 1 C.36 .9 .34 .84 .34 .76 Z", "shade"),
    ]
    body = path(
        "M.22 .57 C.32 .36 .46 .26 .64 .26 C.84 .26 .98 .42 1 .56 C.98 .74 .82 .88 .62 .88 "
        "C.44 .88 .32 .76 .22 .57 Z",
        "main",
    )
    belly = path(
        "M.988 .62 C.943 .77 .797 .88 .62 .88 C.502 .88 .41 .829 .333 .74 C.56 .78 .82 .76 .988 .62 Z",
        "light",
    )
    side = turned(
        [path("M.62 .56 C.62 .68 .52 .74 .4 .74 C.46 .66 .46 .6 .44 .5 C.52 .48 .6 .5 .62 .56 Z", "shade")],
        -14 * pose,
        0.6,
        0.58,
    )
    fish = [*tail, *fins, body, belly, *side, *_eye(0.81, 0.48, 0.065)]
    return grounded(moved(fish, dx=0.01, scale=0.95))


def fish_long(pose: float) -> list[Shape]:
    """A slender fish with a forked tail and stripes."""
    tail = turned(
        [
            path(
                "M.24 .5 C.16 .42 .1 .3 .0 .22 C.02 .36 .06 .44 .07 .5 C.06 .56 .02 .66 .0 .8 "
                "C.1 .72 .16 .6 .24 .52 Z",
                "shade",
            )
        ],
        14 * pose,
        0.22,
        0.5,
    )
    fins = [
        path("M.36 .36 C.42 .22 .5 .16 .6 .14 C.6 .2 .66 .26 .74 .32 Z", "shade"),
        path("M.42 .66 C.44 .76 .4 .82 .34 .88 C.48 .9 .56 .8 .6 .7 Z", "shade"),
    ]
    body = path(
        "M.16 .5 C.3 .36 .46 .26 .66 .27 C.84 .28 .95 .42 1 .52 C.94 .64 .82 .75 .64 .75 "
        "C.44 .75 .3 .64 .16 .5 Z",
        "main",
    )
    stripes = [
        path(
            f"M{x} {a} C{x + 0.06} {a + 0.12} {x + 0.06} {b - 0.12} {x} {b} L{x + 0.08} {d} "
            f"C{x + 0.14} {b - 0.12} {x + 0.14} {a + 0.12} {x + 0.08} {c} Z",
            "light",
        )
        for x, a, b, c, d in (
            (0.3, 0.381, 0.625, 0.333, 0.679),
            (0.44, 0.306, 0.709, 0.281, 0.736),
            (0.58, 0.272, 0.747, 0.268, 0.75),
        )
    ]
    fish = turned([*tail, *fins, body, *stripes, *_eye(0.85, 0.46, 0.055)], 7 * pose, 0.55, 0.5)
    return grounded(moved(fish, dx=0.03, scale=0.92))


def fish_angel(pose: float) -> list[Shape]:
    """A tall fish with sweeping fins."""
    tail = turned(
        [path("M.3 .5 C.2 .4 .1 .36 .02 .3 C.06 .42 .06 .6 .02 .72 C.1 .66 .2 .62 .3 .54 Z", "shade")],
        12 * pose,
        0.28,
        0.52,
    )
    fins = [
        path("M.7 .34 C.6 .12 .4 .02 .2 .0 C.3 .1 .34 .26 .36 .44 Z", "shade"),
        path("M.7 .7 C.6 .9 .4 1 .2 1 C.3 .92 .34 .76 .36 .6 Z", "shade"),
    ]
    body = path(
        "M.24 .52 C.34 .3 .46 .18 .6 .18 C.78 .2 .92 .38 .99 .53 C.92 .68 .78 .84 .6 .86 "
        "C.46 .86 .34 .72 .24 .52 Z",
        "main",
    )
    bands = [
        path(
            "M.54 .188 C.5 .4 .5 .64 .54 .851 Q.57 .859 .6 .86 Q.62 .858 .64 .853 "
            "C.6 .64 .6 .4 .64 .187 Q.62 .181 .6 .18 Q.57 .181 .54 .188 Z",
            "light",
        ),
        path("M.34 .343 C.32 .46 .32 .58 .34 .688 L.42 .779 C.4 .64 .4 .4 .42 .254 Z", "light"),
    ]
    fin = turned(
        [blob([(0.7, 0.56), (0.62, 0.66), (0.5, 0.68), (0.56, 0.58), (0.56, 0.52)], "shade")],
        -16 * pose,
        0.7,
        0.57,
    )
    return grounded([*tail, *fins, body, *bands, *fin, *_eye(0.82, 0.45, 0.06)])


WINGED = (
    Subject(
        "bird",
        ("bird", "songbird"),
        ("birds", "songbirds"),
        (bird_perched, bird_flying, bird_plump),
        floats=True,
    ),
    Subject(
        "butterfly",
        ("butterfly",),
        ("butterflies",),
        (butterfly_spread, butterfly_side, butterfly_swallowtail),
        floats=True,
    ),
    Subject("fish", ("fish", "goldfish"), ("fish", "goldfish"), (fish_round, fish_long, fish_angel)),
)
