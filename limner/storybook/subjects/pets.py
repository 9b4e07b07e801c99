"""Cat, dog and rabbit: told apart by ears, muzzle and tail."""

from __future__ import annotations

from ..shapes import Shape, ellipse, grounded, moved, path, rect, stroke, turned
from .subject import Subject


def _eye(x: float, y: float, size: float, look: float = 0.25) -> list[Shape]:
    """A white eye whose pupil is shifted to the right by `look` of its size."""
    return [
        ellipse(x, y, size * 0.85, size, "white"),
        ellipse(x + look * size, y + 0.05 * size, size * 0.52, size * 0.72, "ink"),
    ]


def _leg(x: float, y: float, foot: float, width: float, paint: str) -> Shape:
    """A leg from the hip at (x, y) to a round foot on the ground."""
    return stroke([(x, y), (foot, 1 - width / 2)], width, paint)


def _cat_head(x: float, y: float, r: float) -> list[Shape]:
    """A cat's head from the front: r is its half width."""
    ears = []
    for s in (-1, 1):
        outer = (
            f"M{x + s * 0.98 * r} {y} L{x + s * 0.86 * r} {y - 1.25 * r} L{x + s * 0.1 * r} {y - 0.7 * r} Z"
        )
        inner = f"M{x + s * 0.86 * r} {y - 0.5 * r} L{x + s * 0.76 * r} {y - 0.98 * r} L{x + s * 0.36 * r} {y - 0.7 * r} Z"
        ears += [path(outer, "main"), path(inner, "blush")]
    nose = path(
        f"M{x - 0.13 * r} {y + 0.2 * r} L{x + 0.13 * r} {y + 0.2 * r} L{x} {y + 0.36 * r} Z",
        "ink",
    )
    cheeks = [ellipse(x + s * 0.2 * r, y + 0.42 * r, 0.28 * r, 0.22 * r, "light") for s in (-1, 1)]
    eyes = [e for s in (-1, 1) for e in _eye(x + s * 0.42 * r, y - 0.08 * r, 0.22 * r, 0.1)]
    return [*ears, ellipse(x, y, r, 0.84 * r, "main"), *cheeks, *eyes, nose]


def cat_sitting(pose: float) -> list[Shape]:
    """A cat that sits and looks out of the picture, its tail raised beside it."""
    tail = stroke(
        [(0.66, 0.92), (0.88, 0.9), (0.93, 0.7), (0.86 + 0.06 * pose, 0.52)], 0.11, "main", smooth=True
    )
    body = path(
        "M.46 .4 C.62 .42 .68 .6 .74 .76 C.79 .9 .77 1 .66 1 L.26 1 C.15 1 .13 .9 .18 .76 "
        "C.24 .6 .3 .42 .46 .4 Z",
        "main",
    )
    haunches = [ellipse(0.22, 0.87, 0.11, 0.13, "shade"), ellipse(0.7, 0.87, 0.11, 0.13, "shade")]
    chest = ellipse(0.46, 0.56, 0.1, 0.13, "light")
    legs = [rect(0.442, 0.78, 0.478, 1.0, "shade", 0.017)]
    head = turned(_cat_head(0.46, 0.31, 0.26), 7 * pose, 0.46, 0.4)
    return moved([tail, body, *haunches, chest, *legs, *head], dx=-0.025, scale=0.97)


def cat_walking(pose: float) -> list[Shape]:
    """A cat that walks with its tail in the air."""
    step = 0.05 * pose
    tail = stroke(
        [(0.2, 0.56), (0.07, 0.44), (0.09, 0.24), (0.05 + 0.1 * (pose + 1) / 2, 0.08)],
        0.1,
        "main",
        smooth=True,
    )
    far = [_leg(0.3, 0.72, 0.34 - step, 0.11, "shade"), _leg(0.66, 0.72, 0.62 + step, 0.11, "shade")]
    near = [_leg(0.2, 0.7, 0.18 + step, 0.12, "main"), _leg(0.75, 0.7, 0.77 - step, 0.12, "main")]
    body = path(
        "M.13 .62 C.12 .48 .22 .44 .34 .45 C.46 .47 .56 .48 .68 .44 C.82 .46 .87 .54 .87 .63 "
        "C.87 .75 .84 .82 .74 .82"
        "C.6 .79 .4 .79 .26 .83 C.17 .83 .14 .74 .13 .62 Z",
        "main",
    )
    stripes = [
        stroke([(x, y), (x + 0.015, y + 0.11)], 0.05, "shade")
        for x, y in ((0.29, 0.475), (0.4, 0.487), (0.51, 0.49))
    ]
    return [tail, *far, *near, body, *stripes, *turned(_cat_head(0.76, 0.37, 0.22), -5 * pose, 0.74, 0.5)]


def cat_lying(pose: float) -> list[Shape]:
    """A cat that lies with its tail wrapped around it."""
    body = path(
        "M.03 .83 C.02 .62 .18 .46 .4 .46 C.6 .46 .86 .6 .93 .84 C.96 .96 .92 1 .84 1 L.16 1 "
        "C.07 1 .04 .93 .03 .83 Z",
        "main",
    )
    haunch = ellipse(0.3, 0.82, 0.2, 0.17, "shade")
    paws = [ellipse(0.84, 0.955, 0.12, 0.045, "light"), ellipse(0.66, 0.955, 0.1, 0.045, "light")]
    tail = stroke(
        [(0.09, 0.86), (0.18, 0.935), (0.34, 0.945), (0.5, 0.9 - 0.04 * pose)], 0.11, "main", smooth=True
    )
    return [body, haunch, *paws, tail, *turned(_cat_head(0.7, 0.54, 0.25), 7 * pose, 0.68, 0.62)]


def _dog_head(x: float, y: float, r: float, flap: float) -> list[Shape]:
    """A dog's head in profile, r the radius of the skull; the ear swings by `flap` degrees."""
    muzzle = path(
        f"M{x + 0.1 * r} {y - 0.75 * r} "
        f"C{x + 0.8 * r} {y - 0.7 * r} {x + 1.0 * r} {y - 0.2 * r} {x + 1.75 * r} {y - 0.15 * r}"
        f"C{x + 2.05 * r} {y - 0.1 * r} {x + 2.05 * r} {y + 0.75 * r} {x + 1.6 * r} {y + 0.82 * r}"
        f"L{x} {y + 0.95 * r} Z",
        "main",
    )
    jaw = path(
        f"M{x + 0.85 * r} {y + 0.46 * r} L{x + 1.97 * r} {y + 0.4 * r} "
        f"C{x + 1.95 * r} {y + 0.7 * r} {x + 1.8 * r} {y + 0.8 * r} {x + 1.6 * r} {y + 0.82 * r}"
        f"L{x + 0.9 * r} {y + 0.87 * r} Z",
        "light",
    )
    ear = path(
        f"M{x - 0.5 * r} {y - 0.85 * r} "
        f"C{x + 0.1 * r} {y - 0.95 * r} {x + 0.25 * r} {y - 0.3 * r} {x + 0.15 * r} {y + 0.3 * r}"
        f"C{x + 0.08 * r} {y + 1.15 * r} {x - 0.5 * r} {y + 1.35 * r} {x - 0.82 * r} {y + 0.9 * r}"
        f"C{x - 1.1 * r} {y + 0.4 * r} {x - 1.0 * r} {y - 0.7 * r} {x - 0.5 * r} {y - 0.85 * r} Z",
        "shade",
    )
    nose = ellipse(x + 1.8 * r, y - 0.05 * r, 0.26 * r, 0.21 * r, "ink")
    ears = turned([ear], flap, x - 0.3 * r, y - 0.7 * r)
    return [muzzle, ellipse(x, y, r, r, "main"), jaw, nose, *_eye(x + 0.6 * r, y - 0.22 * r, 0.24 * r), *ears]


def dog_standing(pose: float) -> list[Shape]:
    """A dog on four legs that wags its tail."""
    tail = turned(
        [stroke([(0.16, 0.56), (0.06, 0.44), (0.05, 0.24)], 0.1, "main", smooth=True)], 12 * pose, 0.16, 0.56
    )
    far = [_leg(0.3, 0.7, 0.31, 0.12, "shade"), _leg(0.58, 0.7, 0.57, 0.12, "shade")]
    near = [_leg(0.19, 0.66, 0.17, 0.14, "main"), _leg(0.68, 0.66, 0.69, 0.14, "main")]
    body = path(
        "M.1 .62 C.1 .5 .18 .46 .28 .47 L.5 .47 C.56 .42 .56 .34 .58 .22 L.76 .36 C.78 .5 .78 .64 .74 .74"
        "C.68 .84 .5 .74 .38 .76 C.28 .79 .1 .84 .1 .62 Z",
        "main",
    )
    patch = path("M.24 .47 L.46 .47 C.46 .6 .38 .65 .33 .64 C.26 .63 .24 .56 .24 .47 Z", "shade")
    collar = stroke([(0.58, 0.42), (0.75, 0.51)], 0.055, "gold")
    head = turned(_dog_head(0.67, 0.24, 0.165, -8 * pose), 5 * pose, 0.66, 0.34)
    return moved([*tail, *far, *near, body, patch, collar, *head], dx=0.018, scale=0.93)


def dog_sitting(pose: float) -> list[Shape]:
    """A dog that sits upright."""
    tail = turned(
        [stroke([(0.24, 0.93), (0.1, 0.9), (0.05, 0.76)], 0.1, "main", smooth=True)],
        -16 * (1 + pose) / 2,
        0.24,
        0.93,
    )
    body = path(
        "M.34 .2 C.28 .42 .16 .62 .14 .82 C.13 .96 .2 1 .3 1 L.44 1 C.52 1 .6 .9 .62 .8 "
        "C.68 .66 .68 .5 .62 .34 Z",
        "main",
    )
    front = stroke([(0.58, 0.56), (0.63, 0.94)], 0.13, "main")
    haunch = [ellipse(0.32, 0.84, 0.155, 0.16, "shade"), rect(0.28, 0.9, 0.5, 1.0, "shade", 0.05)]
    paw = rect(0.56, 0.91, 0.77, 1.0, "main", 0.045)
    chest = path("M.56 .44 C.67 .5 .68 .64 .63 .76 C.56 .66 .54 .54 .56 .44 Z", "light")
    collar = stroke([(0.35, 0.4), (0.6, 0.43)], 0.055, "gold")
    head = turned(_dog_head(0.5, 0.22, 0.215, -8 * pose), 6 * pose, 0.48, 0.34)
    return moved([*tail, body, front, paw, chest, *haunch, collar, *head], dx=0.03, scale=0.98)


def dog_long(pose: float) -> list[Shape]:
    """A dachshund: a long back on short legs."""
    tail = turned(
        [stroke([(0.1, 0.66), (0.04, 0.54), (0.06, 0.38)], 0.08, "main", smooth=True)], 14 * pose, 0.1, 0.66
    )
    far = [_leg(0.24, 0.8, 0.26, 0.11, "shade"), _leg(0.56, 0.8, 0.58, 0.11, "shade")]
    near = [_leg(0.15, 0.8, 0.15, 0.13, "main"), _leg(0.67, 0.8, 0.68, 0.13, "main")]
    body = path(
        "M.05 .74 C.05 .6 .14 .58 .24 .59 L.48 .59 C.58 .58 .58 .5 .59 .34 L.76 .48 C.77 .6 .78 .74 .74 .82"
        "C.7 .92 .58 .91 .44 .89 L.18 .89 C.09 .89 .05 .84 .05 .74 Z",
        "main",
    )
    belly = path("M.2 .89 C.3 .79 .46 .8 .58 .89 L.44 .895 Z", "light")
    collar = stroke([(0.59, 0.52), (0.75, 0.58)], 0.05, "gold")
    head = turned(_dog_head(0.67, 0.36, 0.165, -8 * pose), 6 * pose, 0.66, 0.46)
    return moved([*tail, *far, *near, body, belly, collar, *head], dx=0.014, scale=0.94)


def _ear(x: float, y: float, length: float, lean: float, paint: str) -> list[Shape]:
    """A rabbit's ear that grows upwards from (x, y)."""
    shapes = [ellipse(x, y - length / 2, 0.27 * length, 0.56 * length, paint)]
    if paint == "main":
        shapes.append(ellipse(x, y - length / 2, 0.12 * length, 0.4 * length, "blush"))
    return turned(shapes, lean, x, y)


def rabbit_sitting(pose: float) -> list[Shape]:
    """A rabbit that sits with its ears up."""
    tail = ellipse(0.1, 0.8, 0.09, 0.09, "light")
    ears = [*_ear(0.66, 0.34, 0.33, -14 + 5 * pose, "shade"), *_ear(0.73, 0.33, 0.33, 3 + 9 * pose, "main")]
    body = path(
        "M.1 .8 C.08 .58 .26 .46 .44 .48 C.58 .5 .72 .56 .78 .72 C.82 .84 .78 .98 .66 .99 L.3 1 "
        "C.16 1 .11 .92 .1 .8 Z",
        "main",
    )
    haunch = [ellipse(0.32, 0.8, 0.19, 0.18, "shade"), rect(0.26, 0.91, 0.56, 1.0, "light", 0.045)]
    paw = rect(0.64, 0.91, 0.84, 1.0, "light", 0.045)
    head = [
        ellipse(0.73, 0.46, 0.2, 0.17, "main", 12),
        ellipse(0.88, 0.51, 0.07, 0.06, "light"),
        ellipse(0.93, 0.475, 0.032, 0.028, "blush"),
        *_eye(0.77, 0.42, 0.045),
    ]
    return moved([tail, *ears, body, paw, *haunch, *head], scale=0.98)


def rabbit_upright(pose: float) -> list[Shape]:
    """A rabbit on its hind legs, seen from the front."""
    ears = [*_ear(0.4, 0.3, 0.3, -9 + 7 * pose, "main"), *_ear(0.6, 0.3, 0.3, 9 + 7 * pose, "main")]
    body = path(
        "M.5 .48 C.68 .48 .77 .7 .77 .82 C.77 .95 .68 .98 .5 .98 C.32 .98 .23 .95 .23 .82 "
        "C.23 .7 .32 .48 .5 .48 Z",
        "shade",
    )
    trunk = path(
        "M.49 .48 C.63 .48 .7 .7 .7 .82 C.7 .95 .64 .98 .48 .98 C.32 .98 .23 .95 .23 .82 "
        "C.23 .7 .32 .48 .49 .48 Z",
        "main",
    )
    belly = ellipse(0.49, 0.8, 0.14, 0.16, "light")
    arms = [
        stroke([(0.31, 0.62), (0.42, 0.71)], 0.1, "main"),
        stroke([(0.68, 0.62), (0.57, 0.71)], 0.1, "main"),
    ]
    feet = [ellipse(0.3, 0.94, 0.16, 0.06, "main"), ellipse(0.7, 0.94, 0.16, 0.06, "main")]
    head = [
        ellipse(0.5, 0.4, 0.23, 0.19, "main"),
        *[ellipse(x, 0.47, 0.075, 0.06, "light") for x in (0.445, 0.555)],
        rect(0.465, 0.5, 0.535, 0.56, "white", 0.012),
        path("M.455 .43 L.545 .43 L.5 .48 Z", "blush"),
        *_eye(0.39, 0.37, 0.05, 0.1),
        *_eye(0.61, 0.37, 0.05, 0.1),
    ]
    return [*ears, body, trunk, belly, *arms, *feet, *turned(head, 4 * pose, 0.5, 0.5)]


def rabbit_leaping(pose: float) -> list[Shape]:
    """A rabbit in full leap, ears laid back."""
    ears = [*_ear(0.68, 0.26, 0.33, -62 + 5 * pose, "shade"), *_ear(0.74, 0.24, 0.33, -42 + 9 * pose, "main")]
    body = path(
        "M.06 .68 C.1 .42 .34 .34 .52 .36 C.66 .38 .78 .46 .78 .58 C.78 .72 .6 .74 .46 .76 "
        "C.34 .8 .2 .92 .12 .86"
        "C.06 .82 .05 .76 .06 .68 Z",
        "main",
    )
    back = [
        ellipse(0.25, 0.66, 0.19, 0.16, "shade", -30),
        stroke([(0.22, 0.78), (0.12, 0.93), (0.02, 0.94)], 0.1, "shade", smooth=True),
    ]
    front = [
        stroke([(0.66, 0.64), (0.8, 0.72), (0.93, 0.7)], 0.1, "main", smooth=True),
        stroke([(0.6, 0.66), (0.74, 0.8)], 0.1, "shade"),
    ]
    head = [
        ellipse(0.76, 0.36, 0.19, 0.16, "main", 14),
        ellipse(0.9, 0.41, 0.065, 0.055, "light"),
        ellipse(0.95, 0.375, 0.032, 0.028, "blush"),
        *_eye(0.8, 0.32, 0.045),
    ]
    tail = ellipse(0.08, 0.56, 0.08, 0.08, "light")
    leap = turned([tail, *ears, front[1], body, *back, front[0], *head], -5 * pose, 0.2, 0.9)
    return grounded(moved(leap, scale=0.92))


PETS = (
    Subject(
        "cat",
        ("cat", "kitten", "kitty"),
        ("cats", "kittens", "kitties"),
        (cat_sitting, cat_walking, cat_lying),
    ),
    Subject("dog", ("dog", "puppy"), ("dogs", "puppies"), (dog_standing, dog_sitting, dog_long)),
    Subject(
        "rabbit",
        ("rabbit", "bunny"),
        ("rabbits", "bunnies"),
        (rabbit_sitting, rabbit_upright, rabbit_leaping),
    ),
)
