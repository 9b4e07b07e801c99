"""Apple, ball, balloon and star: single round things in one strong colour."""

from __future__ import annotations

import math

import numpy as np

from ..shapes import Shape, ellipse, grounded, inset, leaned, path, polygon, stroke, turned
from .subject import Subject

_APPLE = (
    "M.5 .27 C.6 .17 .95 .17 .97 .52 C.98 .8 .77 1 .63 1 C.57 1 .54 .975 .5 .975"
    "C.46 .975 .43 1 .37 1 C.23 1 .02 .8 .03 .52 C.05 .17 .4 .17 .5 .27 Z"
)
_TALL_APPLE = (
    "M.5 .25 C.6 .15 .93 .15 .92 .43 C.91 .68 .8 .8 .76 .92 C.73 1.01 .63 1.01 .58 .98"
    "C.54 .955 .46 .955 .42 .98 C.37 1.01 .27 1.01 .24 .92 C.2 .8 .09 .68 .08 .43 C.07 .15 .4 .15 .5 .25 Z"
)
_BITTEN_APPLE = (
    "M.5 .27 C.58 .19 .78 .19 .89 .32 C.79 .34 .76 .44 .8 .5 C.72 .52 .7 .66 .79 .7 C.76 .78 .82 .86 .88 .83"
    "C.81 .94 .71 1 .63 1 C.57 1 .54 .975 .5 .975"
    "C.46 .975 .43 1 .37 1 C.23 1 .02 .8 .03 .52 C.05 .17 .4 .17 .5 .27 Z"
)
_FLESH = (
    "M.89 .32 C.79 .34 .76 .44 .8 .5 C.72 .52 .7 .66 .79 .7 C.76 .78 .82 .86 .88 .83 L.82 .91"
    "C.71 .9 .67 .82 .68 .76 C.59 .7 .59 .54 .68 .46 C.66 .36 .72 .27 .81 .25 Z"
)


def _stalk(pose: float, leaf: str) -> list[Shape]:
    stem = stroke([(0.5, 0.33), (0.5, 0.2), (0.55, 0.06)], 0.065, "bark", smooth=True)
    return [stem, *turned([path(leaf, "leaf")], 14 * pose, 0.53, 0.19)]


def apple_round(pose: float) -> list[Shape]:
    """A round apple with one leaf."""
    body = path(_APPLE, "shade")
    shine = ellipse(0.25, 0.45, 0.065, 0.12, "light", 28)
    leaf = "M.53 .19 C.58 .03 .74 -.02 .88 .05 C.83 .19 .68 .25 .53 .19 Z"
    shapes = [body, inset(body, "main", 0.88, 0.36, 0.42), shine, *_stalk(pose, leaf)]
    return grounded(turned(shapes, 5 * pose, 0.5, 0.6))


def apple_tall(pose: float) -> list[Shape]:
    """A tall apple on its knobbly foot, with two leaves."""
    body = path(_TALL_APPLE, "shade")
    shine = path(
        "M.2 .4 C.21 .31 .29 .27 .35 .29 C.4 .32 .32 .35 .3 .41 C.28 .47 .28 .58 .24 .56 C.2 .53 .19 .46 .2 .4 Z",
        "light",
    )
    leaf = "M.52 .2 C.56 .07 .68 .02 .82 .07 C.78 .19 .66 .24 .52 .2 Z"
    other = path("M.5 .21 C.4 .25 .28 .2 .21 .1 C.34 .03 .46 .08 .5 .21 Z", "leaf")
    shapes = [body, inset(body, "main", 0.88, 0.36, 0.46), shine, other, *_stalk(pose, leaf)]
    return grounded(turned(shapes, -4 * pose, 0.5, 0.6))


def apple_bitten(pose: float) -> list[Shape]:
    """An apple with a bite taken out of its right side."""
    body = path(_BITTEN_APPLE, "main")
    foot = path(
        "M.88 .83 C.81 .94 .71 1 .63 1 C.57 1 .54 .975 .5 .975 C.46 .975 .43 1 .37 1 C.27 1 .14 .9 .08 .77"
        "C.3 .98 .6 .92 .7 .76 Z",
        "shade",
    )
    shine = ellipse(0.24, 0.45, 0.065, 0.12, "light", 28)
    leaf = "M.5 .19 C.42 .24 .28 .2 .2 .08 C.33 .0 .48 .04 .5 .19 Z"
    shapes = [body, foot, path(_FLESH, "paper"), shine, *_stalk(pose, leaf)]
    return grounded(turned(shapes, 5 * pose, 0.5, 0.6))


def _gore(start: float, end: float, paint: str) -> Shape:
    """The part of the ball between two meridians, -1 (left rim) to 1 (right rim)."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 40)
    sides = [np.stack([0.5 + 0.48 * k * np.cos(t), 0.52 + 0.48 * np.sin(t)], 1) for k in (start, end)]
    return Shape(np.concatenate([sides[0], sides[1][::-1]]).astype(np.float32), paint)


def _ball(paint: str) -> Shape:
    return ellipse(0.5, 0.52, 0.48, 0.48, paint)


def ball_band(pose: float) -> list[Shape]:
    """A rubber ball with one bright band."""
    band = [_gore(-0.12, 0.62, "shade"), _gore(0.0, 0.5, "paper")]
    return [
        _ball("main"),
        *turned(band, 62 + 25 * pose, 0.5, 0.52),
        ellipse(0.27, 0.27, 0.1, 0.06, "light", -42),
    ]


def ball_beach(pose: float) -> list[Shape]:
    """A beach ball of alternating panels with its button in view."""
    panels, across = [_ball("main")], 22 * pose - 12
    for k in range(3):
        angles = np.radians(np.linspace(across + 120 * k, across + 120 * k + 44, 16))
        rim = np.stack([0.5 + 0.48 * np.cos(angles), 0.52 + 0.48 * np.sin(angles)], 1)
        pole = np.array([0.44, 0.44])
        swirl = [_bent(pole, rim[0]), rim, _bent(pole, rim[-1])[::-1]]
        panels.append(Shape(np.concatenate(swirl).astype(np.float32), "paper" if k else "light"))
    return [*panels, ellipse(0.44, 0.44, 0.105, 0.1, "shade"), ellipse(0.42, 0.42, 0.05, 0.045, "light")]


def _bent(start: np.ndarray, end: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    t = np.linspace(0, 1, 16)[:, None]
    step = end - start
    knee = start + 0.55 * step + 0.22 * np.array([-step[1], step[0]])
    curve: np.ndarray = (1 - t) ** 2 * start + 2 * t * (1 - t) * knee + t**2 * end  # type: ignore[type-arg]
    return curve


def ball_star(pose: float) -> list[Shape]:
    """A playground ball with a star printed on it."""
    body = _ball("shade")
    star = _star(0.47, 0.47, 0.27, 0.13, 0.15, "paper")
    return [
        body,
        inset(body, "main", 0.89, 0.28, 0.3),
        *turned([star], 24 * pose, 0.47, 0.47),
        ellipse(0.22, 0.3, 0.08, 0.045, "light", -50),
    ]


def _knot(x: float, y: float) -> Shape:
    return path(
        f"M{x} {y - 0.05} L{x + 0.075} {y + 0.045} Q{x} {y + 0.02} {x - 0.075} {y + 0.045} Z", "shade"
    )


def _string(x: float, y: float, pose: float) -> Shape:
    swing = 0.05 * pose
    points = [
        (x, y),
        (x - 0.035 - swing, y + (1 - y) * 0.36),
        (x + 0.03 + swing, y + (1 - y) * 0.68),
        (x + swing, 0.98),
    ]
    return stroke(points, 0.04, "steel", smooth=True)


def balloon_round(pose: float) -> list[Shape]:
    """A round balloon on a string."""
    body = path(
        "M.5 .74 C.42 .74 .13 .58 .13 .36 C.13 .14 .3 .0 .5 .0 C.7 .0 .87 .14 .87 .36 C.87 .58 .58 .74 .5 .74 Z",
        "shade",
    )
    top = [
        _knot(0.5, 0.76),
        body,
        inset(body, "main", 0.88, 0.38, 0.3),
        ellipse(0.3, 0.25, 0.065, 0.12, "light", 28),
    ]
    return [_string(0.5, 0.79, pose), *turned(top, 4 * pose, 0.5, 0.78)]


def balloon_dotted(pose: float) -> list[Shape]:
    """A pear-shaped balloon with pale dots."""
    body = path(
        "M.5 .78 C.4 .74 .36 .62 .28 .54 C.17 .44 .13 .36 .14 .28 C.16 .1 .32 .0 .5 .0"
        "C.68 .0 .84 .1 .86 .28 C.87 .36 .83 .44 .72 .54 C.64 .62 .6 .74 .5 .78 Z",
        "shade",
    )
    dots = [
        ellipse(x, y, r, r, "light")
        for x, y, r in (
            (0.34, 0.18, 0.06),
            (0.56, 0.12, 0.05),
            (0.7, 0.28, 0.055),
            (0.28, 0.37, 0.05),
            (0.5, 0.32, 0.06),
            (0.6, 0.48, 0.05),
            (0.45, 0.55, 0.05),
        )
    ]
    top = [_knot(0.5, 0.8), body, inset(body, "main", 0.9, 0.4, 0.3), *dots]
    return [_string(0.5, 0.83, -pose), *turned(top, -4 * pose, 0.5, 0.8)]


def balloon_tugging(pose: float) -> list[Shape]:
    """An oval balloon that pulls to the side, with a bow at its neck."""
    body = ellipse(0.5, 0.34, 0.31, 0.36, "shade")
    top = [
        _knot(0.5, 0.72),
        body,
        inset(body, "main", 0.88, 0.38, 0.26),
        ellipse(0.33, 0.22, 0.055, 0.11, "light", 25),
    ]
    bow = [
        path(
            "M.5 .76 C.42 .68 .36 .7 .37 .77 C.38 .83 .44 .82 .5 .77 C.56 .82 .62 .83 .63 .77 C.64 .7 .58 .68 .5 .76 Z",
            "light",
        )
    ]
    return leaned([_string(0.5, 0.77, pose), *top, *bow], 0.13 + 0.05 * pose)


def _star(cx: float, cy: float, outer: float, inner: float, soft: float, paint: str) -> Shape:
    """A five-pointed star with its points rounded off: `soft` is the part of each side that is cut away."""
    corners = []
    for k in range(10):
        angle, radius = math.radians(36 * k - 90), inner if k % 2 else outer
        corners.append(np.array([cx + radius * math.cos(angle), cy + radius * math.sin(angle)]))
    t = np.linspace(0, 1, 9)[:, None]
    outline = []
    for k, corner in enumerate(corners):
        a, b = (corner + soft * (corners[j] - corner) for j in (k - 1, (k + 1) % 10))
        outline.append((1 - t) ** 2 * a + 2 * t * (1 - t) * corner + t**2 * b)
    return Shape(np.concatenate(outline).astype(np.float32), paint)


def star_face(pose: float) -> list[Shape]:
    """A smiling star."""
    body = _star(0.5, 0.53, 0.54, 0.29, 0.3, "shade")
    smile = path("M.36 .56 C.4 .61 .6 .61 .64 .56 C.65 .72 .35 .72 .36 .56 Z", "ink")
    face = [ellipse(x, 0.47, 0.045, 0.06, "ink") for x in (0.39, 0.61)]
    spots = [ellipse(x, 0.56, 0.04, 0.03, "blush") for x in (0.29, 0.71)]
    shapes = [body, inset(body, "main", 0.9, 0.46, 0.47), *spots, *face, smile]
    return turned(shapes, 9 * pose, 0.5, 0.53)


def star_cut(pose: float) -> list[Shape]:
    """A star cut like a gem: one half of each ray lies in shade."""
    body = _star(0.5, 0.54, 0.54, 0.225, 0.0, "main")
    rays = [
        polygon([(0.5, 0.54), *body.points[9 * k : 9 * k + 10 : 9].tolist()], "shade")
        for k in range(0, 10, 2)
    ]
    return turned([body, *rays], 10 * pose, 0.5, 0.54)


def star_soft(pose: float) -> list[Shape]:
    """A plump star with a lit heart."""
    body = _star(0.5, 0.54, 0.58, 0.33, 0.45, "main")
    heart = _star(0.5, 0.54, 0.34, 0.19, 0.45, "light")
    return turned(
        [inset(body, "shade", 1.0, 0.5, 0.5), inset(body, "main", 0.86, 0.5, 0.54), heart],
        -12 * pose,
        0.5,
        0.54,
    )


TOYS = (
    Subject("apple", ("apple",), ("apples",), (apple_round, apple_tall, apple_bitten)),
    Subject("ball", ("ball", "beach ball"), ("balls", "beach balls"), (ball_band, ball_beach, ball_star)),
    Subject(
        "balloon", ("balloon",), ("balloons",), (balloon_round, balloon_dotted, balloon_tugging), floats=True
    ),
    Subject("star", ("star",), ("stars",), (star_face, star_cut, star_soft), floats=True),
)
