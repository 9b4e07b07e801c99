"""Apple, ball, balloon and star: single round things in one strong colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..shapes import Shape, ellipse, grounded, inset, leaned, path, polygon, stroke, turned
from .subject import Subject

_APPLE = (
    "M.5 .27 C.6 .17 .95 .17 .97 .52 C.98 .8 .77 1 .63 1 C.57 1 .54 .975 .5 .975"
    "C.46 .975 .43 1 .37 1 C.23 1 .02 .8 .03 .52 C.05 .17 .4 .17 .5 .27 Z"
)
_TALL_APPLE = (
    "M.5 .25 C.6 .13 .93 .15 .92 .46 C.91 .74 .76 1 .62 1 C.57 1 .54 .965 .5 .965"
    "C.46 .965 .43 1 .38 1 C.24 1 .09 .74 .08 .46 C.07 .15 .4 .13 .5 .25 Z"
)
_BITTEN_APPLE = (
    "M.5 .27 C.58 .19 .78 .19 .89 .32 C.79 .34 .76 .44 .8 .5 C.72 .52 .7 .66 .79 .7 C.76 .78 .82 .86 .88 .83"
    "C.81 .94 .71 1 .63 1 C.57 1 .54 .975 .5 .975"
    "C.46 .975 .43 1 .37 1 C.23 1 .02 .8 .03 .52 C.05 .17 .4 .17 .5 .27 Z"
)
_FLESH = (
    "M.89 .32 C.79 .34 .76 .44 .8 .5 C.72 .52 .7 .66 .79 .7"
    "C.76 .78 .82 .86 .88 .83 C.8625 .8575 .843 .882 .823 .903"
    "C.71 .9 .67 .82 .68 .76 C.59 .7 .59 .54 .68 .46"
    "C.66 .36 .72 .27 .794 .246 C.829 .263 .8625 .2875 .89 .32 Z"
)


def _stalk(pose: float, leaf: str) -> list[Shape]:
    stem = stroke([(0.5, 0.33), (0.5, 0.2), (0.55, 0.06)], 0.065, "bark", smooth=True)
    return [stem, *turned([path(leaf, "leaf")], 9 * pose, 0.53, 0.19)]


def apple_round(pose: float) -> list[Shape]:
    """A round apple with one leaf."""
    body = path(_APPLE, "shade")
    shine = ellipse(0.25, 0.45, 0.065, 0.12, "light", 28)
    leaf = "M.53 .19 C.58 .03 .74 -.02 .88 .05 C.83 .19 .68 .25 .53 .19 Z"
    shapes = [body, inset(body, "main", 0.88, 0.36, 0.42), shine, *_stalk(pose, leaf)]
    return grounded(turned(shapes, 4 * pose, 0.5, 0.6))


def apple_tall(pose: float) -> list[Shape]:
    """A tall apple with two leaves."""
    body = path(_TALL_APPLE, "shade")
    shine = path(
        "M.2 .4 C.21 .31 .29 .27 .35 .29 C.4 .32 .32 .35 .3 .41"
        "C.28 .47 .28 .58 .24 .56 C.2 .53 .19 .46 .2 .4 Z",
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
        "M.823 .903 C.761 .966 .69 1 .63 1 C.57 1 .54 .975 .5 .975"
        "C.46 .975 .43 1 .37 1 C.27 1 .14 .9 .08 .77"
        "C.3 .98 .6 .92 .7 .76 Z",
        "shade",
    )
    shine = ellipse(0.24, 0.45, 0.065, 0.12, "light", 28)
    leaf = "M.5 .19 C.42 .24 .28 .2 .2 .08 C.33 .0 .48 .04 .5 .19 Z"
    shapes = [body, foot, path(_FLESH, "paper"), shine, *_stalk(pose, leaf)]
    return grounded(turned(shapes, 4 * pose, 0.5, 0.6))


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
        panels.append(Shape(np.concatenate(swirl).astype(np.float32), "paper" if k else "shade"))
    return [*panels, ellipse(0.44, 0.44, 0.105, 0.1, "shade"), ellipse(0.42, 0.42, 0.05, 0.045, "light")]


def _bent(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.linspace(0, 1, 16)[:, None]
    step = end - start
    knee = start + 0.55 * step + 0.22 * np.array([-step[1], step[0]])
    curve: NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * knee + t**2 * end
    return curve


def ball_star(pose: float) -> list[Shape]:
    """A playground ball with a star printed on it."""
    body = _ball("shade")
    star = [_star(0.49, 0.49, 0.3, 0.15, 0.15, "shade"), _star(0.47, 0.46, 0.28, 0.135, 0.15, "paper")]
    return [
        body,
        inset(body, "main", 0.89, 0.28, 0.3),
        *turned(star, 24 * pose, 0.47, 0.47),
        ellipse(0.22, 0.3, 0.08, 0.045, "light", -50),
    ]


def _knot(x: float, y: float) -> Shape:
    return path(
        f"M{x} {y - 0.05} L{x + 0.075} {y + 0.045} Q{x} {y + 0.02} {x - 0.075} {y + 0.045} Z", "shade"
    )


def _string(x: float, y: float, pose: float) -> Shape:
    swing, length = 0.06 * pose, 0.98 - y
    points = [
        (x, y),
        (x - 0.03 - swing / 2, y + 0.34 * length),
        (x + 0.025, y + 0.68 * length),
        (x + swing, 0.98),
    ]
    return stroke(points, 0.038, "steel", smooth=True)


def balloon_round(pose: float) -> list[Shape]:
    """A round balloon on a string."""
    body = path(
        "M.5 .68 C.42 .68 .15 .53 .15 .33 C.15 .13 .31 .0 .5 .0"
        "C.69 .0 .85 .13 .85 .33 C.85 .53 .58 .68 .5 .68 Z",
        "shade",
    )
    top = [
        _knot(0.5, 0.7),
        body,
        inset(body, "main", 0.88, 0.38, 0.28),
        ellipse(0.31, 0.23, 0.06, 0.11, "light", 28),
    ]
    return [_string(0.5, 0.72, pose), *turned(top, 5 * pose, 0.5, 0.72)]


def balloon_dotted(pose: float) -> list[Shape]:
    """A pear-shaped balloon with pale dots."""
    body = path(
        "M.5 .72 C.41 .68 .37 .58 .29 .5 C.18 .41 .13 .34 .14 .26 C.16 .09 .32 .0 .5 .0"
        "C.68 .0 .84 .09 .86 .26 C.87 .34 .82 .41 .71 .5 C.63 .58 .59 .68 .5 .72 Z",
        "shade",
    )
    places = ((0.34, 0.17), (0.56, 0.12), (0.71, 0.26), (0.28, 0.33), (0.5, 0.3), (0.6, 0.43), (0.43, 0.47))
    dots = [ellipse(x, y, 0.055, 0.055, "light") for x, y in places]
    top = [_knot(0.5, 0.73), body, inset(body, "main", 0.9, 0.4, 0.28), *dots]
    return [_string(0.5, 0.75, -pose), *turned(top, -5 * pose, 0.5, 0.75)]


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
            "M.5 .76 C.42 .68 .36 .7 .37 .77 C.38 .83 .44 .82 .5 .77"
            "C.56 .82 .62 .83 .63 .77 C.64 .7 .58 .68 .5 .76 Z",
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
    smile = path("M.36 .57 C.42 .6 .58 .6 .64 .57 C.65 .74 .35 .74 .36 .57 Z", "ink")
    eyes = [ellipse(x, 0.46, 0.062, 0.075, "white") for x in (0.39, 0.61)]
    pupils = [ellipse(x, 0.47, 0.04, 0.052, "ink") for x in (0.4, 0.6)]
    tongue = ellipse(0.5, 0.65, 0.075, 0.035, "blush")
    shapes = [body, inset(body, "main", 0.9, 0.46, 0.47), *eyes, *pupils, smile, tongue]
    return turned(shapes, 9 * pose, 0.5, 0.53)


def star_cut(pose: float) -> list[Shape]:
    """A star cut like a gem: one half of each ray lies in shade."""
    body = _star(0.5, 0.53, 0.51, 0.22, 0.0, "main")
    rays = [
        polygon([(0.5, 0.53), *body.points[9 * k : 9 * k + 10 : 9].tolist()], "shade")
        for k in range(0, 10, 2)
    ]
    return turned([body, *rays], 10 * pose, 0.5, 0.53)


def star_soft(pose: float) -> list[Shape]:
    """A plump star with a lit heart."""
    body = _star(0.5, 0.54, 0.58, 0.33, 0.45, "main")
    heart = _star(0.5, 0.54, 0.29, 0.165, 0.45, "light")
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
