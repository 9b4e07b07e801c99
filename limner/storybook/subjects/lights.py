"""Torch and flashlight: the two things that people may mean by "a torch"."""

from __future__ import annotations

import numpy as np

from ..shapes import Shape, ellipse, grounded, inset, moved, path, polygon, rect, stroke, turned
from .subject import Subject

_FLAME = (
    "M0 0 C-.3 0 -.5 -.16 -.5 -.4 C-.5 -.58 -.36 -.66 -.3 -.84 C-.2 -.76 -.17 -.68 -.16 -.6"
    "C-.06 -.7 .02 -.82 0 -1 C.2 -.9 .32 -.72 .32 -.56 C.36 -.6 .38 -.66 .38 -.72"
    "C.48 -.58 .5 -.48 .5 -.38 C.5 -.16 .3 0 0 0 Z"
)


def _flame(x: float, y: float, width: float, height: float, sway: float) -> list[Shape]:
    """Three nested tongues of fire on the point (x, y), their tips blown sideways."""
    tongues = []
    for paint, scale in (("ember", 1.0), ("flame", 0.72), ("glow", 0.42)):
        points = path(_FLAME, paint).points * np.array([width * scale, height * scale], np.float32)
        blown = sway * (points[:, 1] / height) ** 2
        points = points + np.array([x, y - 0.02 * (1 - scale)], np.float32)
        points[:, 0] += blown
        tongues.append(Shape(points, paint))
    return tongues


def torch_bowl(pose: float) -> list[Shape]:
    """A torch with a broad bowl on a stout handle."""
    fire = _flame(0.5, 0.56, 0.62, 0.56, 0.1 * pose)
    handle = [
        polygon([(0.37, 0.6), (0.63, 0.6), (0.57, 0.98), (0.43, 0.98)], "main"),
        polygon([(0.52, 0.6), (0.63, 0.6), (0.57, 0.98), (0.52, 0.98)], "shade"),
        rect(0.4, 0.93, 0.6, 1.0, "main", 0.035),
    ]
    bowl = [
        path("M.14 .5 L.86 .5 C.84 .66 .72 .74 .5 .74 C.28 .74 .16 .66 .14 .5 Z", "main"),
        path("M.6 .5 L.86 .5 C.84 .66 .72 .74 .5 .74 C.58 .68 .6 .6 .6 .5 Z", "shade"),
        rect(0.1, 0.46, 0.9, 0.54, "light", 0.04),
    ]
    return [*fire, *handle, *bowl]


def torch_cone(pose: float) -> list[Shape]:
    """A runner's torch: one long cone that opens to the flame."""
    fire = _flame(0.5, 0.46, 0.5, 0.46, 0.12 * pose)
    cone = [
        path(
            "M.2 .4 L.8 .4 C.76 .55 .66 .7 .62 .97 Q.61 1 .58 1 L.42 1 Q.39 1 .38 .97 C.34 .7 .24 .55 .2 .4 Z",
            "main",
        ),
        path("M.6 .4 L.8 .4 C.76 .55 .66 .7 .62 .97 Q.61 1 .58 1 L.52 1 C.52 .75 .58 .6 .6 .4 Z", "shade"),
        path("M.25 .51 L.75 .51 L.72 .58 L.28 .58 Z", "light"),
        rect(0.17, 0.36, 0.83, 0.44, "main", 0.04),
    ]
    return grounded(turned([*fire, *cone], 4 * pose, 0.5, 1.0))


def torch_wrapped(pose: float) -> list[Shape]:
    """A slanting club, its head wound with bands of cloth."""
    fire = _flame(0.5, 0.44, 0.58, 0.44, -0.1 * pose)
    club = [
        path("M.33 .66 L.67 .66 L.6 1 L.4 1 Z", "main"),
        path("M.54 .66 L.67 .66 L.6 1 L.53 1 Z", "shade"),
    ]
    bands = [
        rect(0.22 + inward, y, 0.78 - inward, y + 0.13, paint, 0.05)
        for inward, y, paint in ((0.06, 0.6, "main"), (0.02, 0.49, "light"), (0.0, 0.38, "main"))
    ]
    return grounded(moved(turned([*fire, *club, *bands], 12 + 5 * pose, 0.5, 1.0), dx=-0.08))


def _beam(x: float, y: float, half: float, reach: float) -> Shape:
    return polygon(
        [(x, y - half * 0.8), (x + reach, y - half * 1.3), (x + reach, y + half * 1.3), (x, y + half * 0.8)],
        "glow",
    )


def _lamp(y: float) -> list[Shape]:
    """A flashlight that points right along the line y, without its beam."""
    return [
        rect(0.0, y - 0.115, 0.5, y + 0.115, "main", 0.06),
        rect(0.02, y + 0.045, 0.5, y + 0.115, "shade", 0.03),
        path(
            f"M.42 {y - 0.115} C.5 {y - 0.12} .52 {y - 0.24} .6 {y - 0.24} L.76 {y - 0.24} L.76 {y + 0.24} L.6 {y + 0.24} C.52 {y + 0.24} .5 {y + 0.12} .42 {y + 0.115} Z",
            "main",
        ),
        path(
            f"M.42 {y + 0.045} C.5 {y + 0.05} .56 {y + 0.1} .62 {y + 0.1} L.76 {y + 0.1} L.76 {y + 0.24} L.6 {y + 0.24} C.52 {y + 0.24} .5 {y + 0.12} .42 {y + 0.115} Z",
            "shade",
        ),
        rect(0.7, y - 0.27, 0.8, y + 0.27, "light", 0.04),
        rect(0.2, y - 0.15, 0.36, y - 0.07, "ink", 0.04),
    ]


def flashlight_lying(pose: float) -> list[Shape]:
    """A flashlight that lies on the ground and lights the way."""
    shapes = [_beam(0.78, 0.7, 0.29, 0.2), *_lamp(0.7)]
    return grounded(moved(turned(shapes, -4 - 4 * pose, 0.5, 0.7), dx=0.01, scale=0.98))


def flashlight_raised(pose: float) -> list[Shape]:
    """A flashlight that points up into the air."""
    shapes = [_beam(0.78, 0.5, 0.29, 0.22), *_lamp(0.5)]
    return grounded(moved(turned(shapes, -50 + 6 * pose, 0.5, 0.5), scale=0.95))


def flashlight_handle(pose: float) -> list[Shape]:
    """A big hand lamp with a carrying handle on its back."""
    grip = stroke(
        [(0.08, 0.6), (0.1, 0.4), (0.2, 0.34), (0.42, 0.34), (0.5, 0.42), (0.52, 0.56)],
        0.09,
        "shade",
        smooth=True,
    )
    body = path(
        "M.02 .6 Q.02 .53 .1 .53 L.44 .53 C.52 .53 .52 .4 .6 .4 L.76 .4 L.76 .98 L.6 .98 C.52 .98 .52 .88 .44 .88 L.1 .88 Q.02 .88 .02 .8 Z",
        "main",
    )
    under = path(
        "M.02 .76 L.46 .76 C.52 .78 .54 .84 .6 .84 L.76 .84 L.76 .98 L.6 .98 C.52 .98 .52 .88 .44 .88 L.1 .88 Q.02 .88 .02 .8 Z",
        "shade",
    )
    shapes = [
        _beam(0.78, 0.69, 0.3, 0.2),
        grip,
        body,
        under,
        rect(0.7, 0.37, 0.8, 1.0, "light", 0.04),
        ellipse(0.26, 0.65, 0.05, 0.05, "ink"),
    ]
    return grounded(moved(turned(shapes, -4 - 4 * pose, 0.5, 0.7), dx=0.01, scale=0.98))


LIGHTS = (
    Subject(
        "torch",
        ("torch", "burning torch", "flaming torch"),
        ("torches", "burning torches", "flaming torches"),
        (torch_bowl, torch_cone, torch_wrapped),
    ),
    Subject(
        "flashlight",
        ("flashlight", "electric torch"),
        ("flashlights", "electric torches"),
        (flashlight_lying, flashlight_raised, flashlight_handle),
    ),
)
