"""The backgrounds: ten places, three times of day, three kinds of weather, as flat coloured polygons.

Coordinates are those of the whole picture, [0, 1] x [0, 1], y down. Tones are softer than the subjects' so
that a subject stands out wherever it stands; every hue that a subject can wear occurs in backgrounds too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .palette import RGB
from .scene import INDOORS
from .shapes import Shape, blob, ellipse, polygon, rect, stroke

Rng = np.random.Generator


class Patch(NamedTuple):
    """A shape of the background and its daylight colour; `lit` patches (windows, sky) keep their own tone."""

    shape: Shape
    colour: RGB
    lit: bool = False


SKY: dict[str, tuple[RGB, RGB, RGB]] = {
    "day": ((150, 202, 236), (176, 217, 241), (204, 231, 244)),
    "sunset": ((206, 118, 134), (233, 150, 122), (247, 191, 132)),
    "night": ((44, 52, 104), (54, 64, 122), (68, 80, 140)),
}
OVERCAST: dict[str, tuple[RGB, RGB, RGB]] = {
    "day": ((150, 164, 178), (168, 181, 192), (188, 199, 207)),
    "sunset": ((164, 112, 128), (190, 134, 128), (208, 160, 140)),
    "night": ((40, 46, 80), (48, 55, 94), (60, 68, 108)),
}
_LIGHT: dict[str, tuple[RGB, float]] = {
    "day": ((255, 255, 255), 0.0),
    "sunset": ((226, 120, 84), 0.28),
    "night": ((34, 40, 104), 0.58),
}


def lit(colour: RGB, time: str) -> RGB:
    """A daylight colour as it looks at a time of day."""
    light, share = _LIGHT[time]
    return tuple(round(c + (towards - c) * share) for c, towards in zip(colour, light, strict=True))  # type: ignore[return-value]


def _band(y0: float, y1: float, colour: RGB, lit: bool = False) -> Patch:
    return Patch(polygon([(0, y0), (1, y0), (1, y1), (0, y1)], ""), colour, lit)


def _hill(points: list[tuple[float, float]], base: float, colour: RGB) -> Patch:
    return Patch(polygon([(0, base), *points, (1, base)], ""), colour)


def _slope(rng: Rng, height: float, base: float, waves: int, swing: float) -> list[tuple[float, float]]:
    phase, x = rng.uniform(0, 6.28), np.linspace(0, 1, 25)
    y = base - height - swing * np.sin(waves * np.pi * x + phase)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _sky(rng: Rng, time: str, weather: str, horizon: float) -> list[Patch]:
    top, middle, low = (OVERCAST if weather != "clear" else SKY)[time]
    patches = [_band(0, 0.24, top, True), _band(0.24, 0.42, middle, True), _band(0.42, 1.0, low, True)]
    x = float(rng.choice([0.16, 0.84])) + rng.uniform(-0.05, 0.05)
    if weather == "clear":
        if time == "day":
            patches.append(Patch(ellipse(x, 0.13, 0.075, 0.075, ""), (255, 240, 184), True))
        elif time == "sunset":
            patches.append(Patch(ellipse(x, horizon - 0.06, 0.11, 0.11, ""), (255, 224, 150), True))
        else:
            patches.append(Patch(ellipse(x, 0.13, 0.07, 0.07, ""), (236, 232, 206), True))
            patches.append(Patch(ellipse(x + 0.03, 0.115, 0.06, 0.06, ""), top, True))
            for sx, sy in rng.uniform((0.03, 0.03), (0.97, 0.34), (9, 2)):
                patches.append(Patch(ellipse(sx, sy, 0.008, 0.008, ""), (222, 224, 240), True))
    if weather != "clear" or (time == "day" and rng.random() < 0.6):
        colour: RGB = {"day": (240, 246, 250), "sunset": (240, 186, 168), "night": (84, 94, 148)}[time]
        if weather != "clear":
            colour = tuple(round(0.86 * c) for c in colour)  # type: ignore[assignment]
        for k in range(3 if weather != "clear" else 1):
            cx, cy = (
                rng.uniform(0.12, 0.88) if k == 0 else (0.2 + 0.6 * (k - 1) + rng.uniform(-0.1, 0.1)),
                rng.uniform(0.1, 0.2),
            )
            for dx, r in ((-0.09, 0.035), (0.0, 0.055), (0.08, 0.04)):
                patches.append(Patch(ellipse(cx + dx, cy - r * 0.4, r * 1.5, r, ""), colour, True))
            patches.append(Patch(rect(cx - 0.15, cy - 0.012, cx + 0.15, cy + 0.024, "", 0.018), colour, True))
    return patches


def _window(x0: float, y0: float, x1: float, y1: float, time: str, frame: RGB) -> list[Patch]:
    sky = SKY[time]
    inner = [
        Patch(rect(x0, y0, x1, y1, "", 0.01), frame),
        Patch(rect(x0 + 0.02, y0 + 0.02, x1 - 0.02, y1 - 0.02, ""), sky[1], True),
    ]
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    if time == "night":
        inner.append(Patch(ellipse(cx - 0.05, cy - 0.06, 0.03, 0.03, ""), (236, 232, 206), True))
    elif time == "sunset":
        inner.append(Patch(ellipse(cx - 0.05, cy + 0.05, 0.045, 0.045, ""), (255, 224, 150), True))
    else:
        inner.append(Patch(ellipse(cx - 0.05, cy - 0.06, 0.032, 0.032, ""), (255, 240, 184), True))
    inner.append(Patch(rect(cx - 0.008, y0 + 0.01, cx + 0.008, y1 - 0.01, ""), frame))
    inner.append(Patch(rect(x0 + 0.01, cy - 0.008, x1 - 0.01, cy + 0.008, ""), frame))
    return inner


WALLS: tuple[RGB, ...] = ((206, 220, 198), (238, 222, 186), (232, 204, 196), (196, 214, 226), (218, 206, 226))


def _table(rng: Rng, time: str, weather: str) -> list[Patch]:
    wall, x = WALLS[rng.integers(len(WALLS))], float(rng.choice([0.08, 0.62]))
    patches = [_band(0, 0.7, wall), *_window(x, 0.07, x + 0.3, 0.4, time, (244, 240, 230))]
    patches.append(_band(0.62, 1.0, (190, 142, 98)))
    for k, y in enumerate((0.62, 0.735, 0.865)):
        patches.append(_band(y, y + 0.016, (164, 118, 80) if k else (212, 168, 122)))
    return patches


def _room(rng: Rng, time: str, weather: str) -> list[Patch]:
    wall, x = WALLS[rng.integers(len(WALLS))], float(rng.choice([0.08, 0.62]))
    stripe: RGB = tuple(max(0, c - 14) for c in wall)  # type: ignore[assignment]
    patches = [_band(0, 0.72, wall)]
    patches += [Patch(rect(k / 6, 0, k / 6 + 0.083, 0.72, ""), stripe) for k in range(6)]
    patches += _window(x, 0.08, x + 0.3, 0.42, time, (244, 240, 230))
    patches += [_band(0.67, 0.72, (240, 234, 224)), _band(0.72, 1.0, (202, 176, 146))]
    rug: tuple[RGB, RGB] = (((190, 96, 92), (222, 160, 140)), ((92, 122, 168), (150, 176, 206)))[
        rng.integers(2)
    ]
    patches += [
        Patch(ellipse(0.5, 0.88, 0.42, 0.1, ""), rug[0]),
        Patch(ellipse(0.5, 0.88, 0.34, 0.075, ""), rug[1]),
    ]
    return patches


FRONTS: tuple[RGB, ...] = (
    (216, 146, 132),
    (236, 204, 148),
    (152, 182, 206),
    (176, 202, 158),
    (206, 176, 206),
    (222, 208, 190),
)


def _street(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = _sky(rng, time, weather, 0.62)
    edges = np.linspace(0, 1, 5) + np.concatenate([[0], rng.uniform(-0.03, 0.03, 3), [0]])
    pane: RGB = (250, 222, 140) if time == "night" else (206, 228, 238)
    colours = rng.permutation(len(FRONTS))
    for k in range(4):
        x0, x1, top = float(edges[k]), float(edges[k + 1]), 0.30 + rng.uniform(-0.05, 0.06)
        patches.append(Patch(rect(x0, top, x1, 0.68, ""), FRONTS[colours[k]]))
        patches.append(Patch(rect(x0, top, x1, top + 0.03, ""), (146, 122, 116)))
        for wx in (x0 + 0.05, x1 - 0.11):
            for wy in (top + 0.07, top + 0.2):
                patches.append(Patch(rect(wx, wy, wx + 0.06, wy + 0.075, ""), pane, True))
    patches += [_band(0.66, 0.72, (202, 198, 194)), _band(0.72, 1.0, (138, 140, 150))]
    patches += [Patch(rect(x, 0.85, x + 0.13, 0.875, ""), (224, 220, 208)) for x in (0.04, 0.31, 0.58, 0.85)]
    return patches


def _mountain(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = _sky(rng, time, weather, 0.66)
    for cx, top, half, colour in (
        (0.18, 0.32, 0.34, (150, 156, 190)),
        (0.86, 0.28, 0.36, (164, 160, 188)),
        (0.52, 0.16, 0.40, (124, 130, 168)),
    ):
        cx, top = cx + rng.uniform(-0.05, 0.05), top + rng.uniform(-0.03, 0.03)
        patches.append(Patch(polygon([(cx - half, 0.74), (cx, top), (cx + half, 0.74)], ""), colour))
        s, d = half * 0.3 / (0.74 - top), 0.13
        patches.append(
            Patch(
                polygon(
                    [
                        (cx - s * d / 0.3, top + d),
                        (cx, top),
                        (cx + s * d / 0.3, top + d),
                        (cx + 0.025, top + 0.09),
                        (cx - 0.015, top + 0.14),
                    ],
                    "",
                ),
                (232, 236, 244),
            )
        )
    patches.append(_hill(_slope(rng, 0.3, 1.0, 2, 0.025), 1.0, (148, 160, 118)))
    patches.append(_hill(_slope(rng, 0.16, 1.0, 2, 0.02), 1.0, (132, 144, 106)))
    return patches


def _sea(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = [
        *_sky(rng, time, weather, 0.5),
        _band(0.5, 1.0, (104, 170, 200)),
        _band(0.64, 1.0, (84, 150, 188)),
        _band(0.8, 1.0, (70, 132, 174)),
    ]
    for y in (0.57, 0.71, 0.88):
        for k in range(4):
            x = k * 0.27 + rng.uniform(-0.04, 0.1)
            patches.append(
                Patch(
                    blob([(x, y), (x + 0.06, y - 0.014), (x + 0.12, y), (x + 0.06, y + 0.01)], ""),
                    (182, 216, 228),
                )
            )
    x = float(rng.choice([0.1, 0.9])) + rng.uniform(-0.03, 0.03)
    patches += [
        Patch(
            polygon([(x - 0.028, 0.51), (x - 0.018, 0.33), (x + 0.018, 0.33), (x + 0.028, 0.51)], ""),
            (234, 228, 222),
        ),
        Patch(rect(x - 0.023, 0.40, x + 0.023, 0.45, ""), (206, 124, 116)),
        Patch(rect(x - 0.02, 0.30, x + 0.02, 0.335, ""), (206, 124, 116)),
    ]
    return patches


def _pine(x: float, base: float, h: float, colour: RGB) -> list[Patch]:
    w = h * 0.28
    return [Patch(rect(x - 0.012, base - 0.1 * h, x + 0.012, base, ""), (120, 96, 80))] + [
        Patch(polygon([(x - w * k, base - h * a), (x, base - h * b), (x + w * k, base - h * a)], ""), colour)
        for k, a, b in ((1.0, 0.08, 0.55), (0.8, 0.34, 0.8), (0.58, 0.6, 1.0))
    ]


def _forest(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = [*_sky(rng, time, weather, 0.6), _band(0.5, 0.8, (108, 150, 122))]
    for x in np.linspace(-0.02, 1.02, 9):
        patches += _pine(float(x) + rng.uniform(-0.03, 0.03), 0.72, rng.uniform(0.42, 0.6), (92, 138, 112))
    for x in (0.02, 0.22, 0.8, 0.98):
        patches += _pine(x + rng.uniform(-0.03, 0.03), 0.8, rng.uniform(0.6, 0.72), (74, 118, 96))
    patches.append(_hill(_slope(rng, 0.27, 1.0, 3, 0.012), 1.0, (122, 132, 92)))
    for x in rng.uniform(0.03, 0.97, 5):
        patches.append(Patch(ellipse(x, rng.uniform(0.8, 0.97), 0.03, 0.01, ""), (148, 156, 110)))
    return patches


def _desert(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = [*_sky(rng, time, weather, 0.62)]
    patches.append(_hill(_slope(rng, 0.42, 1.0, 2, 0.04), 1.0, (224, 186, 134)))
    patches.append(_hill(_slope(rng, 0.30, 1.0, 2, 0.03), 1.0, (234, 202, 150)))
    patches.append(_hill(_slope(rng, 0.14, 1.0, 2, 0.02), 1.0, (226, 190, 138)))
    for x, h in ((0.1 + rng.uniform(-0.05, 0.05), 0.26), (0.9 + rng.uniform(-0.05, 0.05), 0.2)):
        green, base = (126, 164, 120), 0.7
        patches += [
            Patch(stroke([(x, base), (x, base - h)], 0.05, ""), green),
            Patch(
                stroke(
                    [(x, base - 0.4 * h), (x - 0.06, base - 0.45 * h), (x - 0.06, base - 0.75 * h)], 0.032, ""
                ),
                green,
            ),
            Patch(
                stroke(
                    [(x, base - 0.3 * h), (x + 0.06, base - 0.35 * h), (x + 0.06, base - 0.6 * h)], 0.032, ""
                ),
                green,
            ),
        ]
    return patches


def _meadow(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = [*_sky(rng, time, weather, 0.6)]
    patches.append(_hill(_slope(rng, 0.40, 1.0, 2, 0.03), 1.0, (170, 206, 150)))
    patches.append(_hill(_slope(rng, 0.28, 1.0, 3, 0.02), 1.0, (150, 194, 128)))
    blossoms: tuple[RGB, ...] = ((240, 218, 130), (232, 168, 184), (190, 160, 212), (244, 240, 232))
    for k, (x, y) in enumerate(rng.uniform((0.02, 0.77), (0.98, 0.98), (14, 2))):
        patches.append(Patch(ellipse(x, y, 0.014, 0.014, ""), blossoms[k % 4]))
    return patches


def _snow(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = [*_sky(rng, time, weather, 0.6)]
    patches.append(_hill(_slope(rng, 0.40, 1.0, 2, 0.03), 1.0, (206, 220, 234)))
    for x in (0.06, 0.2, 0.84, 0.95):
        patches += _pine(x + rng.uniform(-0.03, 0.03), 0.72, rng.uniform(0.24, 0.34), (110, 146, 140))
    patches.append(_hill(_slope(rng, 0.28, 1.0, 2, 0.02), 1.0, (226, 235, 243)))
    patches.append(_hill(_slope(rng, 0.12, 1.0, 3, 0.015), 1.0, (214, 226, 238)))
    return patches


def _farm(rng: Rng, time: str, weather: str) -> list[Patch]:
    patches = [*_sky(rng, time, weather, 0.6)]
    patches.append(_hill(_slope(rng, 0.42, 1.0, 2, 0.015), 1.0, (226, 206, 138)))
    x = float(rng.choice([0.2, 0.8])) + rng.uniform(-0.04, 0.04)
    red, roof, trim = (196, 104, 96), (138, 92, 92), (236, 226, 216)
    patches += [
        Patch(rect(x - 0.15, 0.4, x + 0.15, 0.64, ""), red),
        Patch(polygon([(x - 0.18, 0.41), (x - 0.1, 0.29), (x + 0.1, 0.29), (x + 0.18, 0.41)], ""), roof),
        Patch(rect(x - 0.05, 0.5, x + 0.05, 0.64, ""), trim),
        Patch(rect(x - 0.035, 0.515, x + 0.035, 0.64, ""), red),
    ]
    for k in range(5):
        y = 0.64 + 0.075 * k
        patches.append(_band(y, y + 0.075, ((176, 190, 112), (200, 200, 122))[k % 2]))
    for k in range(8):
        patches.append(Patch(rect(0.03 + k * 0.135, 0.585, 0.05 + k * 0.135, 0.67, ""), (228, 220, 206)))
    patches.append(_band(0.605, 0.622, (228, 220, 206)))
    return patches


_DRAW: dict[str, Callable[[Rng, str, str], list[Patch]]] = {
    "table": _table, "street": _street, "mountain": _mountain, "sea": _sea, "forest": _forest,
    "desert": _desert, "meadow": _meadow, "snow": _snow, "farm": _farm, "room": _room,
}  # fmt: skip

_GROUND: dict[str, RGB] = {
    "table": (168, 122, 84), "street": (116, 118, 128), "mountain": (112, 124, 90), "sea": (62, 116, 156),
    "forest": (102, 112, 78), "desert": (204, 168, 118), "meadow": (126, 170, 106), "snow": (190, 206, 222),
    "farm": (164, 172, 100), "room": (176, 150, 122),
}  # fmt: skip


def shadow(place: str, time: str) -> RGB:
    """The colour of the shadow that a subject throws on the ground."""
    return lit(_GROUND[place], time)


def _weather(rng: Rng, weather: str, time: str) -> list[Patch]:
    if weather == "rain":
        tone: RGB = (126, 138, 190) if time == "night" else (206, 220, 234)
        return [
            Patch(
                polygon([(x, y), (x + 0.012, y), (x - 0.018, y + 0.08), (x - 0.03, y + 0.08)], ""), tone, True
            )
            for x, y in rng.uniform((0, 0), (1, 0.95), (26, 2)).tolist()
        ]
    flake: RGB = (206, 212, 236) if time == "night" else (248, 250, 252)
    return [
        Patch(ellipse(x, y, 0.013, 0.013, ""), flake, True) for x, y in rng.uniform(0, 1, (34, 2)).tolist()
    ]


def background(rng: Rng, place: str, time: str, weather: str) -> list[tuple[Shape, RGB]]:
    """The shapes of a background in drawing order, with their colours as lit at that time."""
    patches = _DRAW[place](rng, time, weather)
    if weather != "clear" and place not in INDOORS:
        patches += _weather(rng, weather, time)
    return [(p.shape, p.colour if p.lit else lit(p.colour, time)) for p in patches]
