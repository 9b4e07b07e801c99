"""The robot: of boxes, under a dome, on tracks."""

from __future__ import annotations

from ..shapes import Shape, arc, ellipse, moved, path, polygon, rect, stroke, turned
from .subject import Subject


def robot_box(pose: float) -> list[Shape]:
    """A robot made of boxes."""
    antenna = [stroke([(0.5, 0.16), (0.5, 0.06)], 0.04, "steel"), ellipse(0.5, 0.05, 0.05, 0.05, "ember")]
    head = [
        rect(0.3, 0.13, 0.7, 0.42, "main", 0.05), rect(0.25, 0.22, 0.32, 0.34, "shade", 0.02), rect(0.68, 0.22, 0.75, 0.34, "shade", 0.02),
        *[ellipse(x, 0.25, 0.062, 0.062, "glow") for x in (0.41, 0.59)], *[ellipse(x + 0.015 * pose, 0.25, 0.028, 0.028, "ink") for x in (0.41, 0.59)],
        rect(0.41, 0.345, 0.59, 0.385, "ink", 0.015),
    ]  # fmt: skip
    neck = rect(0.44, 0.4, 0.56, 0.5, "steel")
    body = [
        rect(0.24, 0.46, 0.76, 0.82, "main", 0.05),
        rect(0.66, 0.46, 0.76, 0.82, "shade", 0.04),
        rect(0.33, 0.53, 0.57, 0.68, "steel", 0.02),
    ]
    dials = [ellipse(0.39, 0.605, 0.04, 0.04, "ember"), ellipse(0.5, 0.605, 0.04, 0.04, "glow")]
    legs = [rect(x, 0.8, x + 0.1, 0.94, "steel") for x in (0.33, 0.57)]
    feet = [rect(0.25, 0.91, 0.47, 1.0, "main", 0.035), rect(0.53, 0.91, 0.75, 1.0, "shade", 0.035)]
    return [
        *legs,
        *feet,
        neck,
        *_arm(0.2, 0.54, 14 * pose, "main"),
        *_arm(0.8, 0.54, 14 * pose - 8, "shade"),
        *body,
        *dials,
        *antenna,
        *turned(head, 4 * pose, 0.5, 0.42),
    ]


def _arm(x: float, y: float, swing: float, paint: str) -> list[Shape]:
    """A robot's arm that hangs from (x, y), with a claw."""
    claw = arc(x, y + 0.27, 0.075, 0.075, 125, 415, "steel")
    return turned([claw, rect(x - 0.055, y - 0.05, x + 0.055, y + 0.22, paint, 0.05)], swing, x, y)


def robot_dome(pose: float) -> list[Shape]:
    """A robot with a domed head and a wide visor."""
    head = [arc(0.5, 0.36, 0.29, 0.32, 180, 360, "main"), rect(0.21, 0.34, 0.79, 0.4, "shade", 0.02)]
    eyes = [
        rect(0.28, 0.18, 0.72, 0.31, "ink", 0.06),
        *[ellipse(x + 0.03 * pose, 0.245, 0.045, 0.045, "glow") for x in (0.4, 0.6)],
    ]
    top = [stroke([(0.5, 0.06), (0.5, 0.03)], 0.06, "steel"), rect(0.34, 0.36, 0.66, 0.5, "steel")]
    body = path("M.24 .42 L.76 .42 C.78 .6 .74 .76 .66 .84 L.34 .84 C.26 .76 .22 .6 .24 .42 Z", "main")
    side = path("M.62 .42 L.76 .42 C.78 .6 .74 .76 .66 .84 L.56 .84 C.62 .72 .64 .58 .62 .42 Z", "shade")
    heart = [
        ellipse(0.44, 0.58, 0.095, 0.095, "paper"),
        polygon([(0.44, 0.53), (0.48, 0.6), (0.4, 0.6)], "ember"),
    ]
    legs = [rect(0.36, 0.82, 0.46, 0.95, "steel"), rect(0.54, 0.82, 0.64, 0.95, "steel")]
    feet = [arc(0.38, 1.0, 0.14, 0.1, 180, 360, "main"), arc(0.62, 1.0, 0.14, 0.1, 180, 360, "shade")]
    arms = [*_arm(0.17, 0.5, 16 + 12 * pose, "main"), *_arm(0.83, 0.5, -16 + 12 * pose, "shade")]
    face = turned([*head, *eyes], 4 * pose, 0.5, 0.4)
    return moved([*legs, *feet, *arms, *top, body, side, *heart, *face], scale=0.96)


def robot_tracks(pose: float) -> list[Shape]:
    """A robot that rolls on tracks and stretches out an arm."""
    tracks = [
        rect(0.1, 0.79, 0.9, 1.0, "iron", 0.105),
        *[ellipse(x, 0.895, 0.065, 0.065, "main") for x in (0.23, 0.41, 0.59, 0.77)],
    ]
    body = [
        path("M.17 .46 L.74 .46 L.85 .8 L.14 .8 Z", "main"),
        path("M.17 .46 L.27 .46 L.24 .8 L.14 .8 Z", "shade"),
    ]
    panel = [
        rect(0.31, 0.56, 0.55, 0.68, "paper", 0.02),
        ellipse(0.38, 0.62, 0.035, 0.035, "ember"),
        ellipse(0.48, 0.62, 0.035, 0.035, "leaf"),
    ]
    neck = rect(0.4, 0.34, 0.52, 0.5, "steel")
    head = [
        rect(0.22, 0.08, 0.74, 0.38, "main", 0.1), path("M.32 .08 L.35 .08 C.3 .16 .3 .3 .35 .38 L.32 .38 C.26 .38 .22 .34 .22 .28 L.22 .18 C.22 .12 .26 .08 .32 .08 Z", "shade"),
        *[s for x in (0.47, 0.655) for s in (ellipse(x, 0.22, 0.092, 0.092, "light"), ellipse(x, 0.22, 0.06, 0.06, "ink"), ellipse(x + 0.02, 0.2, 0.024, 0.024, "white"))],
    ]  # fmt: skip
    arm = turned(
        [arc(0.96, 0.5, 0.075, 0.075, 35, 325, "steel"), stroke([(0.67, 0.6), (0.88, 0.5)], 0.1, "light")],
        10 * pose,
        0.66,
        0.6,
    )
    return moved([*tracks, neck, *body, *panel, *arm, *turned(head, 6 * pose, 0.46, 0.38)], dx=-0.03)


ROBOTS = (Subject("robot", ("robot",), ("robots",), (robot_box, robot_dome, robot_tracks)),)
