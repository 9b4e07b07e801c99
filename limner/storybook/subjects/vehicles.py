"""Car and bicycle: what rolls on a road."""

from __future__ import annotations

import math

from ..shapes import Shape, arc, ellipse, path, rect, ring, stroke, turned
from .subject import Subject


def wheel(x: float, r: float, turn: float) -> list[Shape]:
    """A tyre on the ground with a hub of spokes turned by `turn` degrees."""
    y = 1 - r
    hub = [
        ellipse(x, y, 0.6 * r, 0.6 * r, "light"),
        rect(x - 0.14 * r, y - 0.52 * r, x + 0.14 * r, y + 0.52 * r, "main"),
    ]
    return [ellipse(x, y, r, r, "ink"), *turned(hub, turn, x, y)]


def car_saloon(pose: float) -> list[Shape]:
    """A family car from the side."""
    body = path(
        "M.0 .76 C.0 .68 .05 .64 .14 .63 L.25 .46 C.28 .42 .32 .4 .37 .4 L.6 .4 "
        "C.66 .4 .7 .42 .73 .46 L.84 .62"
        "C.95 .64 1 .7 1 .78 L1 .86 C1 .89 .98 .91 .95 .91 L.05 .91 C.02 .91 .0 .89 .0 .86 Z",
        "main",
    )
    sill = path("M.0 .82 L1 .82 L1 .86 C1 .89 .98 .91 .95 .91 L.05 .91 C.02 .91 .0 .89 .0 .86 Z", "shade")
    windows = [
        path("M.26 .61 L.33 .5 C.34 .48 .36 .47 .38 .47 L.46 .47 L.46 .61 Z", "glass"),
        path("M.52 .61 L.52 .47 L.6 .47 C.63 .47 .65 .48 .66 .5 L.74 .61 Z", "glass"),
    ]
    details = [
        rect(0.53, 0.67, 0.62, 0.705, "light", 0.015),
        ellipse(0.955, 0.73, 0.045, 0.045, "glow"),
        rect(0.0, 0.69, 0.05, 0.77, "ember", 0.02),
    ]
    return [
        *turned([body, sill, *windows, *details], 2 * pose, 0.5, 0.86),
        *wheel(0.23, 0.135, 40 * pose),
        *wheel(0.77, 0.135, 40 * pose),
    ]


def car_beetle(pose: float) -> list[Shape]:
    """A little round car."""
    dome = path("M.16 .8 C.17 .56 .3 .4 .5 .4 C.7 .4 .8 .56 .84 .8 Z", "main")
    low = path("M.03 .88 C.0 .72 .1 .62 .24 .62 L.76 .62 C.92 .62 1 .74 .98 .88 Z", "main")
    windows = [
        path("M.29 .62 C.32 .53 .38 .48 .46 .475 L.46 .62 Z", "glass"),
        path("M.52 .62 L.52 .475 C.6 .48 .67 .53 .7 .62 Z", "glass"),
    ]
    guards = [arc(x, 0.87, 0.185, 0.175, 180, 360, "shade") for x in (0.22, 0.78)]
    board = rect(0.36, 0.83, 0.64, 0.9, "shade", 0.02)
    details = [rect(0.55, 0.68, 0.64, 0.715, "light", 0.015), ellipse(0.945, 0.735, 0.05, 0.05, "glow")]
    return [
        *turned([dome, low, *windows, board, *guards, *details], 2 * pose, 0.5, 0.86),
        *wheel(0.22, 0.14, 40 * pose),
        *wheel(0.78, 0.14, 40 * pose),
    ]


def car_estate(pose: float) -> list[Shape]:
    """A tall, square car with a roof rack."""
    body = path(
        "M.02 .88 L.02 .5 C.02 .44 .06 .4 .12 .4 L.62 .4 C.67 .4 .7 .42 .72 .46 L.8 .62 L.93 .64 "
        "C.98 .65 1 .69 1 .74 L1 .86"
        "C1 .89 .98 .9 .95 .9 L.05 .9 Z",
        "main",
    )
    stripe = path("M.02 .69 L.998 .69 L1 .745 L.02 .745 Z", "light")
    sill = rect(0.02, 0.845, 1.0, 0.9, "shade", 0.025)
    windows = [
        rect(0.09, 0.47, 0.27, 0.62, "glass", 0.03),
        rect(0.32, 0.47, 0.5, 0.62, "glass", 0.03),
        path("M.55 .47 L.62 .47 C.64 .47 .65 .48 .66 .5 L.72 .62 L.55 .62 Z", "glass"),
    ]
    lamp = [ellipse(0.955, 0.725, 0.04, 0.045, "glow")]
    return [
        *turned([body, stripe, sill, *windows, *lamp], 2 * pose, 0.5, 0.86),
        *wheel(0.23, 0.135, 40 * pose),
        *wheel(0.78, 0.135, 40 * pose),
    ]


def _cycle_wheel(x: float, r: float) -> list[Shape]:
    return [ring(x, 1 - r, r - 0.04, 0.08, "main"), ellipse(x, 1 - r, 0.05, 0.05, "shade")]


def _crank(x: float, y: float, turn: float) -> list[Shape]:
    dx, dy = 0.1 * math.cos(turn), 0.1 * math.sin(turn)
    pedals = [
        rect(x + k * dx - 0.05, y + k * dy - 0.02, x + k * dx + 0.05, y + k * dy + 0.02, "ink", 0.015)
        for k in (-1, 1)
    ]
    return [
        stroke([(x - dx, y - dy), (x + dx, y + dy)], 0.04, "shade"),
        ellipse(x, y, 0.065, 0.065, "shade"),
        *pedals,
    ]


def _saddle(x: float, y: float) -> Shape:
    return path(
        f"M{x - 0.12} {y - 0.03} C{x - 0.1} {y - 0.06} {x - 0.02} {y - 0.02} {x + 0.1} {y - 0.03} "
        f"C{x + 0.13} {y - 0.02} {x + 0.12} {y + 0.02} {x + 0.06} {y + 0.02} L{x - 0.04} {y + 0.05} "
        f"C{x - 0.1} {y + 0.05} {x - 0.14} {y + 0.02} {x - 0.12} {y - 0.03} Z",
        "ink",
    )


def bicycle_racer(pose: float) -> list[Shape]:
    """A bicycle with a diamond frame."""
    rear, front, pedal, seat, head = (
        (0.235, 0.765),
        (0.765, 0.765),
        (0.47, 0.765),
        (0.385, 0.44),
        (0.66, 0.42),
    )
    frame = [
        stroke(line, 0.065, "main")
        for line in ([rear, pedal], [rear, seat], [seat, pedal], [seat, head], [pedal, head])
    ]
    fork = [
        stroke([front, (0.645, 0.34)], 0.065, "main"),
        stroke([(0.64, 0.33), (0.78, 0.31), (0.8, 0.4), (0.73, 0.42)], 0.05, "shade", smooth=True),
    ]
    post = stroke([seat, (0.365, 0.36)], 0.055, "shade")
    return [
        *_cycle_wheel(rear[0], 0.235),
        *_cycle_wheel(front[0], 0.235),
        post,
        *frame,
        *fork,
        _saddle(0.37, 0.34),
        *_crank(*pedal, 0.6 + 0.9 * pose),
    ]


def bicycle_basket(pose: float) -> list[Shape]:
    """A town bicycle with a low frame and a basket."""
    rear, front, pedal = (0.235, 0.765), (0.765, 0.765), (0.46, 0.765)
    low = stroke([(0.64, 0.4), (0.6, 0.6), (0.47, 0.75)], 0.08, "main", smooth=True)
    seat = stroke([pedal, (0.37, 0.37)], 0.065, "main")
    stays = [stroke([rear, pedal], 0.065, "main"), stroke([rear, (0.41, 0.55)], 0.06, "main")]
    fork = stroke([front, (0.66, 0.45), (0.62, 0.26), (0.5, 0.25)], 0.065, "main", smooth=True)
    basket = [
        stroke([(0.66, 0.44), (0.8, 0.44)], 0.05, "shade"),
        path("M.7 .28 L.98 .28 L.94 .46 L.74 .46 Z", "wood"),
        rect(0.68, 0.25, 1.0, 0.305, "bark", 0.02),
    ]
    guard = path(
        "M.0 .76 C.0 .6 .1 .5 .24 .5 C.34 .5 .42 .56 .46 .64 L.41 .66 C.37 .6 .31 .56 .24 .56 "
        "C.13 .56 .06 .64 .05 .76 Z",
        "shade",
    )
    return [
        *_cycle_wheel(rear[0], 0.235),
        *_cycle_wheel(front[0], 0.235),
        *stays,
        seat,
        low,
        fork,
        guard,
        *basket,
        _saddle(0.36, 0.35),
        *_crank(*pedal, -0.4 + 0.9 * pose),
    ]


def bicycle_small(pose: float) -> list[Shape]:
    """A small sturdy bicycle with fat tyres and a high handlebar."""
    rear, front, pedal, seat, head = (0.22, 0.78), (0.78, 0.78), (0.48, 0.78), (0.36, 0.54), (0.66, 0.46)
    wheels = [
        s
        for x in (rear[0], front[0])
        for s in (ring(x, 0.78, 0.165, 0.11, "main"), ellipse(x, 0.78, 0.06, 0.06, "light"))
    ]
    frame = [
        stroke(line, 0.08, "main")
        for line in ([rear, pedal], [seat, pedal], [seat, head], [pedal, head], [rear, seat])
    ]
    fork = [
        stroke([front, (0.635, 0.34)], 0.08, "main"),
        stroke([(0.64, 0.36), (0.58, 0.2), (0.46, 0.19)], 0.06, "shade", smooth=True),
        stroke([(0.5, 0.19), (0.43, 0.19)], 0.07, "ink"),
    ]
    post = stroke([seat, (0.335, 0.47)], 0.06, "shade")
    return [*wheels, post, *frame, *fork, _saddle(0.33, 0.44), *_crank(*pedal, 1.2 + 0.9 * pose)]


VEHICLES = (
    Subject(
        "car", ("car", "automobile"), ("cars", "automobiles"), (car_saloon, car_beetle, car_estate), top=0.6
    ),
    Subject(
        "bicycle", ("bicycle", "bike"), ("bicycles", "bikes"), (bicycle_racer, bicycle_basket, bicycle_small)
    ),
)
