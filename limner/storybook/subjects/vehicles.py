"""Car, bicycle, boat, rocket and train: what carries people."""

from __future__ import annotations

import math

from ..shapes import Shape, arc, ellipse, grounded, moved, path, polygon, rect, ring, stroke, turned
from .subject import Subject


def _wheel(x: float, r: float, turn: float) -> list[Shape]:
    """A tyre on the ground with a hub of spokes turned by `turn` degrees."""
    y = 1 - r
    hub = [ellipse(x, y, 0.6 * r, 0.6 * r, "light"), rect(x - 0.14 * r, y - 0.52 * r, x + 0.14 * r, y + 0.52 * r, "main")]
    return [ellipse(x, y, r, r, "ink"), *turned(hub, turn, x, y)]


def car_saloon(pose: float) -> list[Shape]:
    """A family car from the side."""
    body = path(
        "M.0 .76 C.0 .68 .05 .64 .14 .63 L.25 .46 C.28 .42 .32 .4 .37 .4 L.6 .4 C.66 .4 .7 .42 .73 .46 L.84 .62"
        "C.95 .64 1 .7 1 .78 L1 .86 C1 .89 .98 .91 .95 .91 L.05 .91 C.02 .91 .0 .89 .0 .86 Z",
        "main",
    )
    sill = path("M.0 .82 L1 .82 L1 .86 C1 .89 .98 .91 .95 .91 L.05 .91 C.02 .91 .0 .89 .0 .86 Z", "shade")
    windows = [path("M.26 .61 L.33 .5 C.34 .48 .36 .47 .38 .47 L.46 .47 L.46 .61 Z", "glass"), path("M.52 .61 L.52 .47 L.6 .47 C.63 .47 .65 .48 .66 .5 L.74 .61 Z", "glass")]
    details = [rect(0.53, 0.67, 0.62, 0.705, "light", 0.015), ellipse(0.955, 0.73, 0.045, 0.045, "glow"), rect(0.0, 0.69, 0.05, 0.77, "ember", 0.02)]
    return [*turned([body, sill, *windows, *details], 2 * pose, 0.5, 0.86), *_wheel(0.23, 0.135, 40 * pose), *_wheel(0.77, 0.135, 40 * pose)]


def car_beetle(pose: float) -> list[Shape]:
    """A little round car."""
    dome = path("M.16 .8 C.17 .56 .3 .4 .5 .4 C.7 .4 .8 .56 .84 .8 Z", "main")
    low = path("M.03 .88 C.0 .72 .1 .62 .24 .62 L.76 .62 C.92 .62 1 .74 .98 .88 Z", "main")
    windows = [path("M.29 .62 C.32 .53 .38 .48 .46 .475 L.46 .62 Z", "glass"), path("M.52 .62 L.52 .475 C.6 .48 .67 .53 .7 .62 Z", "glass")]
    guards = [arc(x, 0.87, 0.185, 0.175, 180, 360, "shade") for x in (0.22, 0.78)]
    board = rect(0.36, 0.83, 0.64, 0.9, "shade", 0.02)
    details = [rect(0.55, 0.68, 0.64, 0.715, "light", 0.015), ellipse(0.945, 0.735, 0.05, 0.05, "glow")]
    return [*turned([dome, low, *windows, board, *guards, *details], 2 * pose, 0.5, 0.86), *_wheel(0.22, 0.14, 40 * pose), *_wheel(0.78, 0.14, 40 * pose)]


def car_estate(pose: float) -> list[Shape]:
    """A tall, square car with a roof rack."""
    body = path(
        "M.02 .88 L.02 .5 C.02 .44 .06 .4 .12 .4 L.62 .4 C.67 .4 .7 .42 .72 .46 L.8 .62 L.93 .64 C.98 .65 1 .69 1 .74 L1 .86"
        "C1 .89 .98 .9 .95 .9 L.05 .9 Z",
        "main",
    )
    stripe = path("M.02 .69 L.998 .69 L1 .745 L.02 .745 Z", "light")
    sill = rect(0.02, 0.845, 1.0, 0.9, "shade", 0.025)
    windows = [rect(0.09, 0.47, 0.27, 0.62, "glass", 0.03), rect(0.32, 0.47, 0.5, 0.62, "glass", 0.03), path("M.55 .47 L.62 .47 C.64 .47 .65 .48 .66 .5 L.72 .62 L.55 .62 Z", "glass")]
    lamp = [ellipse(0.955, 0.725, 0.04, 0.045, "glow")]
    return [*turned([body, stripe, sill, *windows, *lamp], 2 * pose, 0.5, 0.86), *_wheel(0.23, 0.135, 40 * pose), *_wheel(0.78, 0.135, 40 * pose)]


def _cycle_wheel(x: float, r: float) -> list[Shape]:
    return [ring(x, 1 - r, r - 0.04, 0.08, "main"), ellipse(x, 1 - r, 0.05, 0.05, "shade")]


def _crank(x: float, y: float, turn: float) -> list[Shape]:
    dx, dy = 0.1 * math.cos(turn), 0.1 * math.sin(turn)
    pedals = [rect(x + k * dx - 0.05, y + k * dy - 0.02, x + k * dx + 0.05, y + k * dy + 0.02, "ink", 0.015) for k in (-1, 1)]
    return [stroke([(x - dx, y - dy), (x + dx, y + dy)], 0.04, "shade"), ellipse(x, y, 0.065, 0.065, "shade"), *pedals]


def _saddle(x: float, y: float) -> Shape:
    return path(f"M{x - 0.12} {y - 0.03} C{x - 0.1} {y - 0.06} {x - 0.02} {y - 0.02} {x + 0.1} {y - 0.03} C{x + 0.13} {y - 0.02} {x + 0.12} {y + 0.02} {x + 0.06} {y + 0.02} L{x - 0.04} {y + 0.05} C{x - 0.1} {y + 0.05} {x - 0.14} {y + 0.02} {x - 0.12} {y - 0.03} Z", "ink")


def bicycle_racer(pose: float) -> list[Shape]:
    """A bicycle with a diamond frame."""
    rear, front, pedal, seat, head = (0.235, 0.765), (0.765, 0.765), (0.47, 0.765), (0.385, 0.44), (0.66, 0.42)
    frame = [stroke(line, 0.065, "main") for line in ([rear, pedal], [rear, seat], [seat, pedal], [seat, head], [pedal, head])]
    fork = [stroke([front, (0.645, 0.34)], 0.065, "main"), stroke([(0.64, 0.33), (0.78, 0.31), (0.8, 0.4), (0.73, 0.42)], 0.05, "shade", smooth=True)]
    post = stroke([seat, (0.365, 0.36)], 0.055, "shade")
    return [*_cycle_wheel(rear[0], 0.235), *_cycle_wheel(front[0], 0.235), post, *frame, *fork, _saddle(0.37, 0.34), *_crank(*pedal, 0.6 + 0.9 * pose)]


def bicycle_basket(pose: float) -> list[Shape]:
    """A town bicycle with a low frame and a basket."""
    rear, front, pedal = (0.235, 0.765), (0.765, 0.765), (0.46, 0.765)
    low = stroke([(0.64, 0.4), (0.6, 0.6), (0.47, 0.75)], 0.08, "main", smooth=True)
    seat = stroke([pedal, (0.37, 0.37)], 0.065, "main")
    stays = [stroke([rear, pedal], 0.065, "main"), stroke([rear, (0.41, 0.55)], 0.06, "main")]
    fork = stroke([front, (0.66, 0.45), (0.62, 0.26), (0.5, 0.25)], 0.065, "main", smooth=True)
    basket = [path("M.7 .3 L1 .3 L.95 .48 L.74 .48 Z", "wood"), rect(0.69, 0.27, 1.0, 0.325, "bark", 0.02)]
    guard = path("M.0 .76 C.0 .6 .1 .5 .24 .5 C.34 .5 .42 .56 .46 .64 L.41 .66 C.37 .6 .31 .56 .24 .56 C.13 .56 .06 .64 .05 .76 Z", "shade")
    return [*_cycle_wheel(rear[0], 0.235), *_cycle_wheel(front[0], 0.235), *stays, seat, low, fork, guard, *basket, _saddle(0.36, 0.35), *_crank(*pedal, -0.4 + 0.9 * pose)]


def bicycle_small(pose: float) -> list[Shape]:
    """A small sturdy bicycle with fat tyres and a high handlebar."""
    rear, front, pedal, seat, head = (0.22, 0.78), (0.78, 0.78), (0.48, 0.78), (0.36, 0.54), (0.66, 0.46)
    wheels = [s for x in (rear[0], front[0]) for s in (ring(x, 0.78, 0.165, 0.11, "main"), ellipse(x, 0.78, 0.06, 0.06, "light"))]
    frame = [stroke(line, 0.08, "main") for line in ([rear, pedal], [seat, pedal], [seat, head], [pedal, head], [rear, seat])]
    fork = [stroke([front, (0.635, 0.34)], 0.08, "main"), stroke([(0.64, 0.36), (0.58, 0.2), (0.46, 0.19)], 0.06, "shade", smooth=True), stroke([(0.5, 0.19), (0.43, 0.19)], 0.07, "ink")]
    post = stroke([seat, (0.335, 0.47)], 0.06, "shade")
    return [*wheels, post, *frame, *fork, _saddle(0.33, 0.44), *_crank(*pedal, 1.2 + 0.9 * pose)]


def _hull(points: str, paint: str) -> Shape:
    return path(points, paint)


def boat_sloop(pose: float) -> list[Shape]:
    """A sailing boat with a tall mainsail and a jib."""
    mast = rect(0.44, 0.0, 0.5, 0.82, "wood")
    main = path("M.42 .04 C.38 .28 .28 .5 .02 .7 C.16 .725 .3 .725 .42 .7 Z", "main")
    jib = path("M.53 .12 C.62 .34 .72 .54 .92 .68 C.78 .72 .66 .72 .53 .7 Z", "light")
    hull = [path("M.02 .78 L.98 .78 C.94 .92 .84 1 .72 1 L.26 1 C.14 1 .06 .92 .02 .78 Z", "main"), path("M.065 .89 L.93 .89 C.89 .96 .82 1 .72 1 L.26 1 C.17 1 .1 .96 .065 .89 Z", "shade")]
    flag = path("M.5 .0 L.62 .04 L.5 .08 Z", "ember")
    return grounded(moved(turned([mast, flag, main, jib, *hull], 6 * pose, 0.5, 0.95), scale=0.96))


def boat_square(pose: float) -> list[Shape]:
    """A wide boat under one square sail with stripes."""
    mast = rect(0.47, 0.02, 0.53, 0.8, "wood")
    sail = path("M.16 .12 L.84 .12 C.93 .3 .93 .46 .84 .64 C.62 .58 .38 .58 .16 .64 C.24 .46 .24 .3 .16 .12 Z", "main")
    band = path("M.21 .3 L.887 .3 C.905 .36 .905 .42 .892 .47 L.212 .47 C.226 .42 .226 .36 .21 .3 Z", "light")
    yard = rect(0.12, 0.08, 0.88, 0.14, "wood", 0.03)
    hull = [
        path("M.0 .66 C.1 .76 .24 .78 .5 .78 C.76 .78 .9 .76 1 .64 C1 .84 .9 1 .7 1 L.3 1 C.1 1 .0 .86 .0 .66 Z", "main"),
        path("M.03 .84 C.2 .9 .8 .9 .97 .83 C.92 .94 .83 1 .7 1 L.3 1 C.17 1 .08 .94 .03 .84 Z", "shade"),
    ]
    return grounded(moved(turned([mast, sail, band, yard, *hull], 6 * pose, 0.5, 0.95), scale=0.95))


def boat_dinghy(pose: float) -> list[Shape]:
    """A small boat with one bellied sail."""
    mast = rect(0.3, 0.0, 0.36, 0.82, "wood")
    sail = path("M.38 .04 C.7 .14 .92 .4 .9 .68 C.74 .64 .56 .64 .38 .68 Z", "main")
    belly = path("M.38 .04 C.48 .26 .52 .46 .52 .655 C.47 .66 .43 .67 .38 .68 Z", "shade")
    star = ellipse(0.66, 0.44, 0.075, 0.075, "light")
    hull = [path("M.04 .76 L1 .72 C.98 .86 .9 1 .74 1 L.24 1 C.12 1 .06 .9 .04 .76 Z", "main"), path("M.035 .74 L1 .7 L.985 .79 L.055 .83 Z", "light")]
    keel = path("M.09 .91 L.93 .89 C.89 .96 .83 1 .74 1 L.24 1 C.16 1 .12 .97 .09 .91 Z", "shade")
    return grounded(moved(turned([mast, sail, belly, star, *hull, keel], 6 * pose, 0.5, 0.95), scale=0.96))


def _porthole(x: float, y: float, r: float) -> list[Shape]:
    return [ellipse(x, y, r, r, "paper"), ellipse(x, y, 0.68 * r, 0.68 * r, "glass")]


def _flame(x: float, y: float, width: float, length: float) -> list[Shape]:
    return [path(f"M{x - w} {y} C{x - 1.1 * w} {y + 0.5 * h} {x - 0.3 * w} {y + 0.7 * h} {x} {y + h} C{x + 0.3 * w} {y + 0.7 * h} {x + 1.1 * w} {y + 0.5 * h} {x + w} {y} Z", paint) for w, h, paint in ((width, length, "ember"), (0.6 * width, 0.65 * length, "glow"))]


def rocket_upright(pose: float) -> list[Shape]:
    """A rocket that climbs straight up."""
    fins = [path("M.36 .5 C.22 .56 .16 .68 .17 .86 L.38 .78 Z", "shade"), path("M.64 .5 C.78 .56 .84 .68 .83 .86 L.62 .78 Z", "shade")]
    body = path("M.5 .0 C.66 .12 .72 .32 .71 .48 C.7 .62 .67 .72 .63 .82 L.37 .82 C.33 .72 .3 .62 .29 .48 C.28 .32 .34 .12 .5 .0 Z", "main")
    dark = path("M.62 .13 C.7 .24 .715 .37 .71 .48 C.7 .62 .67 .72 .63 .82 L.57 .82 C.63 .6 .66 .36 .62 .13 Z", "shade")
    nose = path("M.5 .0 C.57 .05 .61 .11 .64 .17 C.56 .2 .44 .2 .36 .17 C.39 .11 .43 .05 .5 .0 Z", "light")
    fin = rect(0.465, 0.62, 0.535, 0.88, "shade", 0.03)
    return turned([*_flame(0.5, 0.79, 0.13, 0.205 + 0.015 * pose), *fins, body, dark, nose, *_porthole(0.49, 0.4, 0.105), fin], 7 * pose, 0.5, 0.6)


def rocket_aslant(pose: float) -> list[Shape]:
    """A slim rocket on its way, aslant."""
    fins = [path("M.4 .58 C.26 .66 .22 .78 .24 .94 L.42 .84 Z", "shade"), path("M.6 .58 C.74 .66 .78 .78 .76 .94 L.58 .84 Z", "shade")]
    body = path("M.5 -.08 C.62 .04 .67 .2 .67 .36 L.66 .84 L.34 .84 L.33 .36 C.33 .2 .38 .04 .5 -.08 Z", "main")
    bands = [rect(0.335, 0.72, 0.665, 0.79, "shade"), path("M.5 -.08 C.58 0 .63 .09 .65 .18 L.35 .18 C.37 .09 .42 0 .5 -.08 Z", "shade")]
    shine = rect(0.375, 0.24, 0.42, 0.66, "light", 0.022)
    windows = [*_porthole(0.53, 0.34, 0.08), *_porthole(0.53, 0.56, 0.065)]
    flight = turned([*_flame(0.5, 0.83, 0.12, 0.26 + 0.02 * pose), *fins, body, *bands, shine, *windows], 38 + 6 * pose, 0.5, 0.5)
    return moved(flight, dx=0.03, dy=-0.03, scale=0.95)


def rocket_round(pose: float) -> list[Shape]:
    """A stout rocket on three legs."""
    legs = [path("M.3 .6 C.12 .66 .04 .8 .03 1 L.14 1 C.18 .9 .26 .84 .38 .84 Z", "shade"), path("M.7 .6 C.88 .66 .96 .8 .97 1 L.86 1 C.82 .9 .74 .84 .62 .84 Z", "shade")]
    body = path("M.5 .04 C.74 .14 .82 .38 .8 .54 C.79 .7 .74 .8 .68 .87 L.32 .87 C.26 .8 .21 .7 .2 .54 C.18 .38 .26 .14 .5 .04 Z", "main")
    nose = [path("M.5 .04 C.6 .08 .67 .15 .72 .24 C.58 .28 .42 .28 .28 .24 C.33 .15 .4 .08 .5 .04 Z", "shade"), ellipse(0.5, 0.045, 0.05, 0.05, "light")]
    shine = path("M.25 .36 C.23 .46 .24 .6 .29 .72 L.34 .72 C.3 .6 .29 .46 .31 .36 Z", "light")
    door = [rect(0.42, 0.64, 0.58, 0.87, "shade", 0.07), rect(0.32, 0.85, 0.68, 0.91, "steel", 0.02)]
    flight = turned([*_flame(0.5, 0.89, 0.12, 0.13), *legs, body, *nose, shine, *door, *_porthole(0.5, 0.44, 0.13)], 6 * pose, 0.5, 0.6)
    return moved(flight, dy=-0.03, scale=0.95)


def train_steam(pose: float) -> list[Shape]:
    """A steam locomotive."""
    funnel = [polygon([(0.71, 0.42), (0.69, 0.2), (0.87, 0.2), (0.85, 0.42)], "shade"), rect(0.67, 0.16, 0.89, 0.23, "main", 0.02)]
    dome = arc(0.56, 0.4, 0.08, 0.1, 180, 360, "light")
    boiler = [rect(0.3, 0.38, 0.94, 0.72, "main", 0.06), rect(0.3, 0.62, 0.94, 0.72, "shade"), rect(0.9, 0.36, 0.98, 0.74, "shade", 0.03)]
    cab = [rect(0.05, 0.22, 0.4, 0.76, "main"), rect(0.0, 0.16, 0.45, 0.24, "shade", 0.03), rect(0.13, 0.31, 0.32, 0.5, "glass", 0.02)]
    chassis = rect(0.03, 0.72, 0.96, 0.8, "iron", 0.02)
    catcher = polygon([(0.86, 0.76), (0.95, 0.76), (1.0, 1.0), (0.86, 1.0)], "shade")
    band = rect(0.6, 0.38, 0.65, 0.72, "light")
    lamp = ellipse(0.955, 0.47, 0.045, 0.045, "glow")
    return [*turned([*funnel, dome, *boiler, band, *cab, lamp], 1.5 * pose, 0.5, 0.8), chassis, catcher, *_driver((0.2, 0.47, 0.72), (0.16, 0.12, 0.12), pose)]


def _driver(xs: tuple[float, ...], radii: tuple[float, ...], pose: float) -> list[Shape]:
    """Wheels in the locomotive's colour, joined by a rod that goes round with the pose."""
    wheels = [s for x, r in zip(xs, radii, strict=True) for s in (ellipse(x, 1 - r, r, r, "ink"), ellipse(x, 1 - r, r - 0.045, r - 0.045, "main"), ellipse(x, 1 - r, 0.04, 0.04, "steel"))]
    dx, dy = 0.06 * math.cos(0.6 + pose), 0.06 * math.sin(0.6 + pose)
    return [*wheels, stroke([(xs[0] + dx, 0.87 + dy), (xs[-1] + dx, 0.87 + dy)], 0.05, "steel")]


def _bogie(x: float, pose: float) -> list[Shape]:
    frame = rect(x - 0.17, 0.86, x + 0.17, 0.93, "iron", 0.03)
    return [s for k in (-0.09, 0.09) for s in _wheel(x + k, 0.085, 40 * pose)] + [frame]


def train_diesel(pose: float) -> list[Shape]:
    """A diesel shunter: a cab between two bonnets, on bogies."""
    bonnets = [rect(0.03, 0.56, 0.3, 0.86, "main", 0.04), rect(0.55, 0.53, 0.97, 0.86, "main", 0.06)]
    grille = [rect(x, 0.61, x + 0.045, 0.75, "shade", 0.02) for x in (0.66, 0.735, 0.81)]
    exhaust = rect(0.74, 0.45, 0.83, 0.56, "shade", 0.015)
    cab = [rect(0.26, 0.4, 0.6, 0.86, "main"), rect(0.21, 0.38, 0.65, 0.45, "shade", 0.03)]
    windows = [rect(x, 0.5, x + 0.105, 0.64, "glass", 0.02) for x in (0.31, 0.445)]
    frame = [rect(0.0, 0.8, 1.0, 0.89, "shade", 0.02), rect(0.03, 0.755, 0.97, 0.8, "light")]
    lamp = ellipse(0.93, 0.62, 0.045, 0.045, "glow")
    engine = [exhaust, *bonnets, *grille, *cab, *windows, *frame, lamp]
    return [*_bogie(0.24, pose), *_bogie(0.76, pose), *turned(engine, 1.5 * pose, 0.5, 0.9)]


def train_express(pose: float) -> list[Shape]:
    """An express train with a long pointed nose."""
    body = path("M.0 .38 L.52 .38 C.74 .39 .9 .6 .99 .76 C1.02 .84 .98 .92 .9 .92 L.0 .92 Z", "main")
    belt = path("M.0 .7 L.954 .7 C.97 .72 .98 .74 .99 .76 C1 .78 1 .79 1 .8 L.0 .8 Z", "light")
    skirt = path("M.0 .84 L1 .84 C.99 .89 .95 .92 .9 .92 L.0 .92 Z", "shade")
    windows = [rect(x, 0.48, x + 0.11, 0.62, "glass", 0.03) for x in (0.05, 0.21, 0.37)] + [path("M.6 .47 C.7 .5 .78 .57 .84 .65 L.64 .65 C.6 .65 .58 .62 .58 .58 L.57 .47 Z", "glass")]
    lamp = ellipse(0.925, 0.75, 0.045, 0.028, "glow", 30)
    wheels = [s for x in (0.14, 0.32, 0.62, 0.8) for s in _wheel(x, 0.085, 40 * pose)]
    return [*wheels, *turned([body, belt, skirt, *windows, lamp], 1.5 * pose, 0.5, 0.9)]


VEHICLES = (
    Subject("car", ("car", "automobile"), ("cars", "automobiles"), (car_saloon, car_beetle, car_estate), top=0.6),
    Subject("bicycle", ("bicycle", "bike"), ("bicycles", "bikes"), (bicycle_racer, bicycle_basket, bicycle_small)),
    Subject("boat", ("boat", "sailboat"), ("boats", "sailboats"), (boat_sloop, boat_square, boat_dinghy)),
    Subject("rocket", ("rocket", "spaceship"), ("rockets", "spaceships"), (rocket_upright, rocket_aslant, rocket_round), floats=True),
    Subject("train", ("train", "locomotive"), ("trains", "locomotives"), (train_steam, train_diesel, train_express), top=0.62),
)
