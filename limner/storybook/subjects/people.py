"""Person and astronaut: who wears the colour."""

from __future__ import annotations

from ..shapes import Shape, arc, ellipse, grounded, path, rect, stroke, turned
from .subject import Subject


def _face(x: float, y: float, r: float, skin: str, look: float = 0.0) -> list[Shape]:
    """A head with eyes and cheeks; `look` in [-1, 1] turns it to the side."""
    shift = 0.3 * r * look
    eyes = [ellipse(x + shift + k * 0.38 * r, y + 0.1 * r, 0.12 * r, 0.16 * r, "ink") for k in (-1, 1)]
    cheeks = [ellipse(x + shift + k * 0.58 * r, y + 0.42 * r, 0.18 * r, 0.13 * r, "blush") for k in (-1, 1)]
    return [ellipse(x, y, r, r, skin), *cheeks, *eyes]


def _sleeve(
    shoulder: tuple[float, float], hand: tuple[float, float], width: float, paint: str, skin: str
) -> list[Shape]:
    return [
        ellipse(*hand, 0.48 * width, 0.48 * width, skin),
        stroke(
            [shoulder, (0.2 * shoulder[0] + 0.8 * hand[0], 0.2 * shoulder[1] + 0.8 * hand[1])], width, paint
        ),
    ]


def person_coat(pose: float) -> list[Shape]:
    """Someone in a long coat and a woollen hat who waves."""
    legs = [rect(x, 0.78, x + 0.13, 1.0, "iron") for x in (0.35, 0.52)]
    shoes = [rect(0.3, 0.93, 0.485, 1.0, "ink", 0.035), rect(0.515, 0.93, 0.7, 1.0, "ink", 0.035)]
    coat = path(
        "M.34 .4 C.4 .36 .6 .36 .66 .4 C.72 .54 .75 .7 .77 .85 L.23 .85 C.25 .7 .28 .54 .34 .4 Z", "main"
    )
    side = path(
        "M.66 .4 C.72 .54 .75 .7 .77 .85 L.55 .85 C.56 .7 .55 .54 .52 .38 C.58 .37 .63 .385 .66 .4 Z", "shade"
    )
    buttons = [ellipse(0.45, y, 0.026, 0.026, "light") for y in (0.52, 0.63, 0.74)]
    low = _sleeve((0.33, 0.45), (0.19, 0.66 + 0.02 * pose), 0.13, "main", "skin")
    high = turned(_sleeve((0.67, 0.45), (0.87, 0.3), 0.13, "main", "skin"), 14 * pose, 0.67, 0.45)
    scarf = rect(0.37, 0.345, 0.63, 0.425, "light", 0.04)
    hat = [arc(0.5, 0.17, 0.175, 0.17, 180, 360, "main"), rect(0.31, 0.135, 0.69, 0.2, "shade", 0.03)]
    head = turned([*_face(0.5, 0.22, 0.155, "skin"), *hat], 5 * pose, 0.5, 0.36)
    return [*legs, *shoes, *low, *high, coat, side, *buttons, scarf, *head]


def person_dress(pose: float) -> list[Shape]:
    """Someone with long hair in a wide dress."""
    legs = [rect(x, 0.8, x + 0.09, 0.97, "tan") for x in (0.38, 0.53)]
    shoes = [rect(0.33, 0.93, 0.485, 1.0, "shade", 0.035), rect(0.515, 0.93, 0.67, 1.0, "shade", 0.035)]
    hair = path(
        "M.5 .0 C.68 .0 .72 .14 .71 .26 C.7 .36 .73 .42 .75 .48 L.25 .48 C.27 .42 .3 .36 .29 .26 "
        "C.28 .14 .32 .0 .5 .0 Z",
        "ink",
    )
    dress = path(
        "M.38 .39 L.62 .39 C.64 .5 .66 .56 .7 .64 C.76 .74 .8 .8 .82 .86 C.62 .9 .38 .9 .18 .86 "
        "C.2 .8 .24 .74 .3 .64 C.34 .56 .36 .5 .38 .39 Z",
        "main",
    )
    fold = path(
        "M.67 .58 L.7 .64 C.76 .74 .8 .8 .82 .86 C.75 .876 .69 .884 .63 .888 C.65 .78 .63 .68 .58 .58 Z",
        "shade",
    )
    belt = rect(0.34, 0.56, 0.66, 0.62, "light", 0.02)
    swing = 9 * pose
    left = turned(
        [
            stroke([(0.36, 0.44), (0.2, 0.63)], 0.085, "tan"),
            stroke([(0.38, 0.43), (0.32, 0.5)], 0.13, "main"),
        ],
        swing,
        0.37,
        0.43,
    )
    right = turned(
        [
            stroke([(0.64, 0.44), (0.8, 0.63)], 0.085, "tan"),
            stroke([(0.62, 0.43), (0.68, 0.5)], 0.13, "main"),
        ],
        swing,
        0.63,
        0.43,
    )
    fringe = path(
        "M.34 .2 C.33 .06 .42 .03 .5 .03 C.58 .03 .67 .06 .66 .2 C.6 .18 .56 .15 .54 .11 "
        "C.5 .17 .42 .2 .34 .2 Z",
        "ink",
    )
    head = turned([*_face(0.5, 0.21, 0.155, "tan"), fringe], 5 * pose, 0.5, 0.36)
    return [hair, *legs, *shoes, *left, *right, dress, fold, belt, *head]


def person_walking(pose: float) -> list[Shape]:
    """Someone in a jersey and trousers who strides along, seen from the side."""
    stride = 0.16 + 0.05 * pose
    far = [
        stroke([(0.47, 0.7), (0.5 - stride, 0.92)], 0.15, "shade"),
        rect(0.42 - stride, 0.93, 0.6 - stride, 1.0, "ink", 0.035),
    ]
    near = [
        stroke([(0.53, 0.7), (0.49 + stride, 0.92)], 0.16, "main"),
        rect(0.41 + stride, 0.93, 0.62 + stride, 1.0, "ink", 0.035),
    ]
    back = _sleeve((0.47, 0.44), (0.72, 0.58 - 0.03 * pose), 0.11, "shade", "skin")
    jersey = path(
        "M.36 .42 C.41 .35 .59 .35 .64 .42 C.69 .52 .69 .62 .68 .75 L.32 .75 C.3 .62 .31 .52 .36 .42 Z",
        "main",
    )
    hem = rect(0.31, 0.7, 0.69, 0.765, "light", 0.02)
    front = turned([*_sleeve((0.46, 0.46), (0.25, 0.62), 0.12, "shade", "skin")], 12 * pose, 0.46, 0.46)
    hair = path("M.365 .14 L.56 .14 C.55 .2 .52 .27 .46 .34 C.4 .33 .36 .28 .36 .22 Z", "hair")
    cap = [
        path("M.35 .17 C.34 .06 .42 .0 .53 .0 C.63 .0 .7 .06 .7 .15 Z", "main"),
        rect(0.53, 0.12, 0.8, 0.175, "light", 0.027),
    ]
    head = [
        ellipse(0.53, 0.2, 0.155, 0.16, "skin"),
        ellipse(0.685, 0.225, 0.035, 0.035, "skin"),
        ellipse(0.61, 0.2, 0.02, 0.026, "ink"),
        ellipse(0.59, 0.275, 0.03, 0.022, "blush"),
        hair,
        *cap,
    ]
    return [*far, *back, *near, jersey, hem, *front, *turned(head, 4 * pose, 0.5, 0.36)]


def _helmet(x: float, y: float, r: float, look: float) -> list[Shape]:
    """A round helmet with its visor, which looks to the right by `look` of its radius."""
    return [
        ellipse(x, y, r, 0.94 * r, "main"),
        ellipse(x + look * r, y + 0.02 * r, 0.72 * r, 0.6 * r, "shade"),
        ellipse(x + look * r, y + 0.02 * r, 0.6 * r, 0.48 * r, "glass"),
        ellipse(x + look * r - 0.24 * r, y - 0.14 * r, 0.16 * r, 0.1 * r, "white", -35),
    ]


def _pack(x0: float, y0: float, x1: float, y1: float) -> list[Shape]:
    return [rect(x0, y0, x1, y1, "steel", 0.06)]


def _limb(start: tuple[float, float], end: tuple[float, float], width: float, paint: str) -> list[Shape]:
    """A padded arm that ends in a glove."""
    return [stroke([start, end], width, paint), ellipse(*end, 0.56 * width, 0.56 * width, "light")]


def _badge(x: float, y: float) -> list[Shape]:
    return [
        rect(x - 0.1, y - 0.055, x + 0.1, y + 0.065, "paper", 0.02),
        ellipse(x - 0.045, y + 0.005, 0.03, 0.03, "ember"),
        ellipse(x + 0.045, y + 0.005, 0.03, 0.03, "flame"),
    ]


def astronaut_waving(pose: float) -> list[Shape]:
    """An astronaut who stands and waves."""
    left = turned(_limb((0.34, 0.54), (0.17, 0.71), 0.14, "main"), -8 * pose, 0.34, 0.54)
    right = turned(_limb((0.66, 0.53), (0.87, 0.4), 0.14, "main"), 16 * pose, 0.66, 0.53)
    legs = [rect(0.32, 0.74, 0.49, 0.98, "main", 0.05), rect(0.51, 0.74, 0.68, 0.98, "shade", 0.05)]
    boots = [rect(0.27, 0.91, 0.49, 1.0, "light", 0.045), rect(0.51, 0.91, 0.73, 1.0, "light", 0.045)]
    body = [
        rect(0.3, 0.42, 0.7, 0.82, "main", 0.12),
        path("M.6 .44 C.68 .46 .7 .5 .7 .56 L.7 .72 C.7 .8 .64 .82 .58 .82 Z", "shade"),
    ]
    return [
        *_pack(0.21, 0.42, 0.79, 0.72),
        *left,
        *right,
        *legs,
        *boots,
        *body,
        *_badge(0.46, 0.64),
        *turned(_helmet(0.5, 0.25, 0.26, 0), 6 * pose, 0.5, 0.45),
    ]


def astronaut_walking(pose: float) -> list[Shape]:
    """An astronaut who walks, the backpack in view."""
    step = 0.13 + 0.05 * pose
    far = [
        stroke([(0.5, 0.76), (0.5 - step, 0.92)], 0.15, "shade"),
        rect(0.42 - step, 0.91, 0.62 - step, 1.0, "light", 0.045),
    ]
    near = [
        stroke([(0.52, 0.76), (0.52 + step, 0.92)], 0.16, "main"),
        rect(0.44 + step, 0.91, 0.66 + step, 1.0, "light", 0.045),
    ]
    back = _limb((0.54, 0.54), (0.82, 0.6), 0.13, "shade")
    body = rect(0.34, 0.42, 0.68, 0.82, "main", 0.13)
    arm = turned(_limb((0.47, 0.56), (0.4, 0.73), 0.13, "shade"), 24 * pose, 0.47, 0.56)
    return [
        *_pack(0.17, 0.4, 0.42, 0.76),
        *back,
        *far,
        *near,
        body,
        *arm,
        *turned(_helmet(0.54, 0.25, 0.26, 0.26), 5 * pose, 0.5, 0.45),
    ]


def astronaut_jumping(pose: float) -> list[Shape]:
    """An astronaut in a slow leap with arms and legs spread."""
    arms = [
        *turned(_limb((0.34, 0.5), (0.1, 0.4), 0.14, "main"), 12 * pose, 0.34, 0.5),
        *turned(_limb((0.66, 0.5), (0.9, 0.4), 0.14, "shade"), 12 * pose, 0.66, 0.5),
    ]
    legs = [
        stroke([(0.43, 0.74), (0.27, 0.87)], 0.16, "main"), stroke([(0.58, 0.74), (0.74, 0.83)], 0.16, "shade"),
        *turned([rect(0.12, 0.86, 0.32, 0.97, "light", 0.05)], 32, 0.24, 0.9), *turned([rect(0.7, 0.8, 0.9, 0.91, "light", 0.05)], -36, 0.78, 0.86),
    ]  # fmt: skip
    body = rect(0.31, 0.4, 0.69, 0.81, "main", 0.14)
    shapes = [
        *_pack(0.23, 0.42, 0.77, 0.7),
        *arms,
        *legs,
        body,
        *_badge(0.5, 0.62),
        *_helmet(0.5, 0.25, 0.25, 0.08),
    ]
    return grounded(turned(shapes, 8 * pose, 0.5, 0.55))


PEOPLE = (
    Subject(
        "person",
        ("person", "man", "woman", "child"),
        ("people", "men", "women", "children"),
        (person_coat, person_dress, person_walking),
    ),
    Subject(
        "astronaut",
        ("astronaut", "spaceman"),
        ("astronauts", "spacemen"),
        (astronaut_waving, astronaut_walking, astronaut_jumping),
    ),
)
