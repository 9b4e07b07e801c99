"""The train: three locomotives."""

from __future__ import annotations

import math

from ..shapes import Shape, arc, ellipse, path, polygon, rect, stroke, turned
from .subject import Subject
from .vehicles import wheel


def train_steam(pose: float) -> list[Shape]:
    """A steam locomotive."""
    funnel = [
        polygon([(0.71, 0.42), (0.69, 0.2), (0.87, 0.2), (0.85, 0.42)], "shade"),
        rect(0.67, 0.16, 0.89, 0.23, "main", 0.02),
    ]
    dome = arc(0.56, 0.4, 0.08, 0.1, 180, 360, "light")
    boiler = [
        rect(0.3, 0.38, 0.94, 0.72, "main", 0.06),
        rect(0.3, 0.62, 0.94, 0.72, "shade"),
        rect(0.9, 0.36, 0.98, 0.74, "shade", 0.03),
    ]
    cab = [
        rect(0.05, 0.22, 0.4, 0.76, "main"),
        rect(0.0, 0.16, 0.45, 0.24, "shade", 0.03),
        rect(0.13, 0.31, 0.32, 0.5, "glass", 0.02),
    ]
    chassis = rect(0.03, 0.72, 0.96, 0.8, "iron", 0.02)
    catcher = polygon([(0.86, 0.76), (0.95, 0.76), (1.0, 1.0), (0.86, 1.0)], "shade")
    band = rect(0.6, 0.38, 0.65, 0.72, "light")
    lamp = ellipse(0.955, 0.47, 0.045, 0.045, "glow")
    return [
        *turned([*funnel, dome, *boiler, band, *cab, lamp], 1.5 * pose, 0.5, 0.8),
        chassis,
        catcher,
        *_driver((0.2, 0.47, 0.72), (0.16, 0.12, 0.12), pose),
    ]


def _driver(xs: tuple[float, ...], radii: tuple[float, ...], pose: float) -> list[Shape]:
    """Wheels in the locomotive's colour, joined by a rod that goes round with the pose."""
    wheels = [
        s
        for x, r in zip(xs, radii, strict=True)
        for s in (
            ellipse(x, 1 - r, r, r, "ink"),
            ellipse(x, 1 - r, r - 0.045, r - 0.045, "main"),
            ellipse(x, 1 - r, 0.04, 0.04, "steel"),
        )
    ]
    dx, dy = 0.06 * math.cos(0.6 + pose), 0.06 * math.sin(0.6 + pose)
    return [*wheels, stroke([(xs[0] + dx, 0.87 + dy), (xs[-1] + dx, 0.87 + dy)], 0.05, "steel")]


def _bogie(x: float, pose: float) -> list[Shape]:
    frame = rect(x - 0.17, 0.86, x + 0.17, 0.93, "iron", 0.03)
    return [s for k in (-0.09, 0.09) for s in wheel(x + k, 0.085, 40 * pose)] + [frame]


def train_diesel(pose: float) -> list[Shape]:
    """A diesel shunter: a cab between two bonnets, on bogies."""
    bonnets = [rect(0.03, 0.56, 0.3, 0.86, "main", 0.04), rect(0.55, 0.53, 0.97, 0.86, "main", 0.06)]
    grille = [rect(x, 0.61, x + 0.045, 0.75, "shade", 0.02) for x in (0.66, 0.735, 0.81)]
    exhaust = rect(0.74, 0.45, 0.83, 0.56, "shade", 0.015)
    cab = [rect(0.26, 0.4, 0.6, 0.86, "main"), rect(0.21, 0.38, 0.65, 0.45, "shade", 0.03)]
    windows = [rect(x, 0.5, x + 0.105, 0.64, "glass", 0.02) for x in (0.31, 0.445)]
    frame = [rect(0.0, 0.8, 1.0, 0.89, "shade", 0.02)]
    lamp = ellipse(0.93, 0.62, 0.045, 0.045, "glow")
    engine = [exhaust, *bonnets, *grille, *cab, *windows, *frame, lamp]
    return [*_bogie(0.24, pose), *_bogie(0.76, pose), *turned(engine, 1.5 * pose, 0.5, 0.9)]


def train_express(pose: float) -> list[Shape]:
    """An express train with a long pointed nose."""
    body = path("M.0 .38 L.52 .38 C.74 .39 .9 .6 .99 .76 C1.02 .84 .98 .92 .9 .92 L.0 .92 Z", "main")
    belt = path("M.0 .7 L.954 .7 C.97 .72 .98 .74 .99 .76 C1 .78 1 .79 1 .8 L.0 .8 Z", "light")
    skirt = path("M.0 .84 L1 .84 C.99 .89 .95 .92 .9 .92 L.0 .92 Z", "shade")
    windows = [rect(x, 0.48, x + 0.11, 0.62, "glass", 0.03) for x in (0.05, 0.21, 0.37)] + [
        path("M.6 .47 C.7 .5 .78 .57 .84 .65 L.64 .65 C.6 .65 .58 .62 .58 .58 L.57 .47 Z", "glass")
    ]
    lamp = ellipse(0.925, 0.75, 0.045, 0.028, "glow", 30)
    wheels = [s for x in (0.14, 0.32, 0.62, 0.8) for s in wheel(x, 0.085, 40 * pose)]
    return [*wheels, *turned([body, belt, skirt, *windows, lamp], 1.5 * pose, 0.5, 0.9)]


TRAINS = (
    Subject(
        "train",
        ("train", "locomotive"),
        ("trains", "locomotives"),
        (train_steam, train_diesel, train_express),
        top=0.62,
    ),
)
