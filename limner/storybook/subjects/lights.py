"""Torch and flashlight: the two things that people may mean by "a torch"."""

from __future__ import annotations

import numpy as np

from ..shapes import Shape, ellipse, grounded, moved, path, polygon, rect, stroke, turned
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
    fire = _flame(0.5, 0.54, 0.62, 0.54, 0.1 * pose)
    handle = [
        polygon([(0.38, 0.6), (0.62, 0.6), (0.57, 0.98), (0.43, 0.98)], "main"),
        polygon([(0.55, 0.6), (0.62, 0.6), (0.57, 0.98), (0.53, 0.98)], "shade"),
        rect(0.39, 0.92, 0.61, 1.0, "main", 0.035),
    ]
    bowl = [
        path("M.14 .48 L.86 .48 C.84 .66 .72 .75 .5 .75 C.28 .75 .16 .66 .14 .48 Z", "main"),
        path("M.69 .48 L.86 .48 C.84 .66 .72 .75 .5 .75 C.62 .7 .69 .62 .69 .48 Z", "shade"),
        rect(0.09, 0.44, 0.91, 0.52, "light", 0.04),
    ]
    return [*fire, *handle, *bowl]


def torch_cone(pose: float) -> list[Shape]:
    """A runner's torch: one long cone that opens to the flame."""
    fire = _flame(0.5, 0.46, 0.5, 0.46, 0.12 * pose)
    cone = [
        path(
            "M.25 .4 L.75 .4 C.69 .6 .61 .75 .58 .97 Q.575 1 .55 1"
            "L.45 1 Q.425 1 .42 .97 C.39 .75 .31 .6 .25 .4 Z",
            "main",
        ),
        path("M.62 .4 L.75 .4 C.69 .6 .61 .75 .58 .97 Q.575 1 .55 1 L.52 1 C.53 .8 .6 .65 .62 .4 Z", "shade"),
        path("M.282 .5 L.718 .5 L.69 .58 L.31 .58 Z", "light"),
        rect(0.2, 0.36, 0.8, 0.44, "main", 0.04),
    ]
    return grounded(turned([*fire, *cone], 4 * pose, 0.5, 1.0))


def torch_wrapped(pose: float) -> list[Shape]:
    """A slanting club, its head wound with bands of cloth."""
    fire = _flame(0.5, 0.46, 0.6, 0.46, -0.1 * pose)
    club = [
        path("M.36 .58 L.64 .58 L.57 1 L.43 1 Z", "main"),
        path("M.56 .58 L.64 .58 L.57 1 L.52 1 Z", "shade"),
    ]
    rows = ((0.08, 0.57, "main"), (0.03, 0.475, "light"), (0.0, 0.38, "main"))
    bands = [rect(0.24 + inward, y, 0.76 - inward, y + 0.11, paint, 0.05) for inward, y, paint in rows]
    return grounded(moved(turned([*fire, *club, *bands], 12 + 5 * pose, 0.5, 1.0), dx=-0.09))


def _beam(x: float, y: float, half: float, reach: float) -> Shape:
    return polygon(
        [(x, y - half * 0.8), (x + reach, y - half * 1.3), (x + reach, y + half * 1.3), (x, y + half * 0.8)],
        "glow",
    )


def _lamp(y: float) -> list[Shape]:
    """A flashlight that points right along the line y, without its beam."""
    body = [
        rect(0.0, y - 0.12, 0.5, y + 0.12, "main", 0.06),
        rect(0.02, y + 0.07, 0.5, y + 0.12, "shade", 0.025),
    ]
    head = moved(
        [
            path(
                "M.42 .38 C.5 .38 .52 .26 .6 .26 L.76 .26 L.76 .74 L.6 .74 C.52 .74 .5 .62 .42 .62 Z", "main"
            ),
            path(
                "M.42 .57 C.5 .57 .54 .66 .62 .66 L.76 .66 L.76 .74 L.6 .74 C.52 .74 .5 .62 .42 .62 Z",
                "shade",
            ),
        ],
        dy=y - 0.5,
    )
    return [
        *body,
        *head,
        rect(0.71, y - 0.27, 0.8, y + 0.27, "light", 0.04),
        rect(0.2, y - 0.15, 0.36, y - 0.07, "ink", 0.04),
    ]


def flashlight_lying(pose: float) -> list[Shape]:
    """A flashlight that lies on the ground and lights the way."""
    shapes = [_beam(0.78, 0.7, 0.29, 0.19), *_lamp(0.7)]
    return grounded(moved(turned(shapes, -4 - 4 * pose, 0.5, 0.7), dx=0.005, scale=0.98))


def flashlight_raised(pose: float) -> list[Shape]:
    """A flashlight that points up into the air."""
    shapes = [_beam(0.78, 0.5, 0.28, 0.19), *_lamp(0.5)]
    return grounded(moved(turned(shapes, -50 + 6 * pose, 0.5, 0.5), dx=-0.07, scale=0.97))


def flashlight_handle(pose: float) -> list[Shape]:
    """A big hand lamp with a carrying handle on its back."""
    grip = stroke(
        [(0.08, 0.6), (0.1, 0.4), (0.2, 0.34), (0.42, 0.34), (0.5, 0.42), (0.52, 0.56)],
        0.09,
        "shade",
        smooth=True,
    )
    body = path(
        "M.02 .6 Q.02 .53 .1 .53 L.44 .53 C.52 .53 .52 .4 .6 .4 L.76 .4 L.76 .98 L.6 .98"
        "C.52 .98 .52 .88 .44 .88 L.1 .88 Q.02 .88 .02 .8 Z",
        "main",
    )
    under = path(
        "M.02 .8 L.46 .8 C.53 .81 .54 .89 .6 .89 L.76 .89 L.76 .98 L.6 .98"
        "C.52 .98 .52 .88 .44 .88 L.1 .88 Q.02 .88 .02 .8 Z",
        "shade",
    )
    lens, button = rect(0.71, 0.37, 0.8, 1.0, "light", 0.04), ellipse(0.26, 0.66, 0.06, 0.06, "light")
    shapes = [_beam(0.78, 0.69, 0.3, 0.18), grip, body, under, lens, button]
    return grounded(moved(turned(shapes, -4 - 4 * pose, 0.5, 0.7), dx=0.005, scale=0.98))


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
