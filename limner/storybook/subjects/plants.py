"""Mushroom, flower and tree: things that grow, coloured where the eye falls first."""

from __future__ import annotations

import math

import numpy as np

from ..shapes import Shape, blob, ellipse, inset, leaned, path, rect, stroke, turned
from .subject import Subject


def mushroom_toadstool(pose: float) -> list[Shape]:
    """A toadstool with a domed, spotted cap."""
    stem = [
        path(
            "M.38 .56 L.62 .56 C.62 .76 .66 .88 .7 .96 Q.7 1 .65 1"
            "L.35 1 Q.3 1 .3 .96 C.34 .88 .38 .76 .38 .56 Z",
            "paper",
        ),
        path("M.28 .58 Q.5 .78 .72 .58 Z", "paper"),
    ]
    cap = path(
        "M.02 .56 C.0 .2 .26 .0 .5 .0 C.74 .0 1 .2 .98 .56C.97 .66 .72 .68 .5 .68 C.28 .68 .03 .66 .02 .56 Z",
        "shade",
    )
    lit = path(
        "M.02 .55 C.0 .2 .26 .0 .5 .0 C.74 .0 1 .2 .98 .52 C.84 .6 .66 .58 .5 .58 C.34 .58 .1 .62 .02 .55 Z",
        "main",
    )
    spots = [
        ellipse(x, y, rx, ry, "paper", a)
        for x, y, rx, ry, a in (
            (0.44, 0.24, 0.11, 0.09, 0),
            (0.74, 0.34, 0.075, 0.085, 0),
            (0.19, 0.43, 0.065, 0.075, 20),
            (0.55, 0.47, 0.06, 0.05, 0),
        )
    ]
    return [*stem, *turned([cap, lit, *spots], 5 * pose, 0.5, 0.6)]


def mushroom_broad(pose: float) -> list[Shape]:
    """A broad mushroom seen from a little below, its gills showing."""
    stem = path(
        "M.4 .6 C.4 .52 .6 .52 .6 .6 C.59 .78 .62 .9 .66 .97"
        "Q.66 1 .62 1 L.38 1 Q.34 1 .34 .97 C.38 .9 .41 .78 .4 .6 Z",
        "paper",
    )
    cap = path(
        "M.0 .5 C.02 .24 .26 .06 .5 .06 C.74 .06 .98 .24 1 .5 C1 .59 .8 .66 .5 .66 C.2 .66 0 .59 .0 .5 Z",
        "main",
    )
    gills = ellipse(0.5, 0.545, 0.41, 0.075, "shade")
    shine = path(
        "M.14 .36 C.2 .24 .32 .16 .44 .14 C.48 .17 .44 .21 .4 .22"
        "C.3 .25 .24 .31 .2 .38 C.17 .41 .13 .4 .14 .36 Z",
        "light",
    )
    return [*turned([cap, gills, shine], 4 * pose, 0.5, 0.6), *leaned([stem], -0.06 * pose)]


def mushroom_pair(pose: float) -> list[Shape]:
    """A tall bell-capped mushroom with a small one at its foot."""
    stem = path(
        "M.35 .55 L.53 .55 C.53 .75 .56 .9 .6 .96 Q.6 1 .56 1 L.34 1 Q.3 1 .3 .96 C.34 .9 .36 .75 .35 .55 Z",
        "paper",
    )
    cap = path(
        "M.0 .62 C.04 .52 .14 .46 .19 .3 C.24 .1 .34 .0 .44 .0"
        "C.54 .0 .64 .1 .69 .3 C.74 .46 .84 .52 .88 .62 C.88 .7 .0 .7 .0 .62 Z",
        "shade",
    )
    lit = inset(cap, "main", 0.88, 0.36, 0.38)
    spots = [
        ellipse(0.4, 0.22, 0.07, 0.08, "paper"),
        ellipse(0.3, 0.47, 0.075, 0.065, "paper"),
        ellipse(0.57, 0.42, 0.06, 0.065, "paper"),
    ]
    small = [
        rect(0.75, 0.8, 0.87, 1.0, "paper", 0.04),
        path("M.62 .84 C.62 .68 .72 .62 .81 .62 C.9 .62 1 .68 1 .84 C.96 .89 .66 .89 .62 .84 Z", "main"),
        ellipse(0.8, 0.74, 0.05, 0.045, "paper"),
    ]
    return [stem, *turned([cap, lit, *spots], 4 * pose, 0.44, 0.6), *turned(small, -5 * pose, 0.81, 1.0)]


def _stem(pose: float, top: float) -> Shape:
    bend = 0.05 * pose
    return stroke(
        [(0.5, 0.97), (0.5 + bend / 3, (1 + top) / 2), (0.5 + bend, top)], 0.065, "leaf", smooth=True
    )


def _leaves() -> list[Shape]:
    right = path("M.5 .97 C.56 .78 .74 .77 .86 .74 C.78 .92 .7 1 .5 .97 Z", "leaf")
    return [right, Shape(np.array([1, 0], np.float32) + right.points * np.array([-1, 1], np.float32), "leaf")]


def flower_daisy(pose: float) -> list[Shape]:
    """A daisy with eight round petals."""
    x, y = 0.5 + 0.05 * pose, 0.36
    petals = []
    for k in range(8):
        a = math.radians(45 * k + 22.5 + 12 * pose)
        petals.append(
            ellipse(
                x + 0.225 * math.cos(a),
                y + 0.225 * math.sin(a),
                0.135,
                0.105,
                "main" if k % 2 else "light",
                math.degrees(a),
            )
        )
    petals.sort(key=lambda s: s.paint == "main")
    return [
        _stem(pose, 0.4),
        *_leaves(),
        *petals,
        ellipse(x, y, 0.135, 0.135, "shade"),
        ellipse(x, y, 0.1, 0.1, "gold"),
    ]


def flower_tulip(pose: float) -> list[Shape]:
    """A tulip with its cup of three petals."""
    back = [path("M.5 .02 C.62 .1 .68 .24 .66 .4 L.34 .4 C.32 .24 .38 .1 .5 .02 Z", "shade")]
    cup = [
        path(
            "M.16 .06 C.3 .1 .42 .2 .5 .32 C.58 .2 .7 .1 .84 .06"
            "C.92 .3 .86 .6 .5 .62 C.14 .6 .08 .3 .16 .06 Z",
            "main",
        ),
        path("M.58 .31 C.64 .22 .74 .12 .84 .06 C.92 .3 .86 .6 .5 .62 C.7 .54 .68 .42 .58 .31 Z", "shade"),
        path("M.22 .16 C.3 .2 .32 .26 .3 .34 C.28 .4 .22 .38 .2 .32 C.18 .26 .18 .18 .22 .16 Z", "light"),
    ]
    leaves = [
        path("M.5 .99 C.36 .96 .2 .8 .22 .6 C.36 .68 .48 .8 .5 .99 Z", "leaf"),
        path("M.5 .99 C.64 .96 .82 .84 .8 .68 C.64 .72 .52 .84 .5 .99 Z", "leaf"),
    ]
    return [_stem(pose, 0.55), *leaves, *leaned(turned([*back, *cup], 6 * pose, 0.5, 0.6), 0.05 * pose)]


def flower_poppy(pose: float) -> list[Shape]:
    """A poppy with five broad overlapping petals on a curved stem."""
    x, y = 0.5 + 0.05 * pose, 0.36
    petals = []
    for k in range(5):
        angle = 72 * k - 90 + 10 * pose
        a = math.radians(angle)
        petals.append(ellipse(x + 0.2 * math.cos(a), y + 0.19 * math.sin(a), 0.16, 0.18, "main", angle))
    folds = [
        turned([ellipse(x + 0.17, y, 0.075, 0.085, "shade")], 72 * k - 90 + 10 * pose, x, y)[0]
        for k in range(5)
    ]
    return [
        _stem(-pose, 0.4),
        *_leaves(),
        *petals,
        *folds,
        ellipse(x, y, 0.12, 0.12, "ink"),
        ellipse(x, y, 0.065, 0.065, "gold"),
    ]


def _trunk() -> Shape:
    return path("M.437 .55 L.563 .55 C.57 .9 .59 .95 .65 1 L.35 1 C.41 .95 .43 .9 .437 .55 Z", "bark")


def tree_round(pose: float) -> list[Shape]:
    """A broad tree with a crown like a cloud."""
    crown = [
        (0.5, 0.0),
        (0.72, 0.06),
        (0.8, 0.2),
        (0.97, 0.32),
        (0.96, 0.52),
        (0.8, 0.64),
        (0.62, 0.63),
        (0.5, 0.7),
        (0.36, 0.64),
        (0.18, 0.65),
        (0.04, 0.53),
        (0.03, 0.33),
        (0.19, 0.21),
        (0.27, 0.06),
    ]
    body = blob(crown, "shade")
    lit = inset(body, "main", 0.86, 0.38, 0.22)
    puffs = [
        path(
            "M.24 .3 C.26 .18 .38 .12 .46 .16 C.52 .2 .42 .22 .36 .26"
            "C.3 .3 .3 .36 .27 .37 C.24 .37 .23 .34 .24 .3 Z",
            "light",
        )
    ]
    return leaned([_trunk(), *_branch(), body, lit, *puffs], 0.06 * pose)


def _branch() -> list[Shape]:
    return [stroke([(0.5, 0.82), (0.62, 0.72), (0.68, 0.6)], 0.055, "bark", smooth=True)]


def tree_pine(pose: float) -> list[Shape]:
    """A fir of three tiers."""
    right = "M0 0 C.12 .3 .7 .78 1 .9 Q1 1 .88 1"
    tiers = []
    for top, base, half in ((0.38, 0.86, 0.46), (0.19, 0.62, 0.37), (0.0, 0.38, 0.27)):
        size, place = np.array([half, base - top], np.float32), np.array([0.5, top], np.float32)
        tier = path(f"{right} L-.88 1 Q-1 1 -1 .9 C-.7 .78 -.12 .3 0 0 Z", "main")
        dark = path(f"{right} L0 1 C.2 .75 .1 .4 0 0 Z", "shade")
        tiers += [Shape(part.points * size + place, part.paint) for part in (tier, dark)]
    return leaned([rect(0.43, 0.8, 0.57, 1.0, "bark"), *tiers], 0.06 * pose)


def tree_egg(pose: float) -> list[Shape]:
    """A tall tree with one egg-shaped crown and a forked trunk."""
    body = path(
        "M.5 .0 C.76 .0 .88 .26 .88 .46 C.88 .68 .72 .8 .5 .8C.28 .8 .12 .68 .12 .46 C.12 .26 .24 .0 .5 .0 Z",
        "shade",
    )
    fork = [
        stroke([(0.5, 0.8), (0.5, 0.46)], 0.07, "bark"),
        stroke([(0.5, 0.68), (0.6, 0.6), (0.65, 0.5)], 0.05, "bark", smooth=True),
        stroke([(0.5, 0.74), (0.4, 0.66), (0.36, 0.58)], 0.05, "bark", smooth=True),
    ]
    return leaned(
        [
            _trunk(),
            body,
            inset(body, "main", 0.88, 0.38, 0.32),
            *fork,
            ellipse(0.34, 0.27, 0.08, 0.13, "light", 28),
        ],
        0.07 * pose,
    )


PLANTS = (
    Subject(
        "mushroom",
        ("mushroom", "toadstool"),
        ("mushrooms", "toadstools"),
        (mushroom_toadstool, mushroom_broad, mushroom_pair),
        top=0.95,
    ),
    Subject(
        "flower",
        ("flower", "daisy", "tulip", "poppy"),
        ("flowers", "daisies", "tulips", "poppies"),
        (flower_daisy, flower_tulip, flower_poppy),
    ),
    Subject("tree", ("tree",), ("trees",), (tree_round, tree_pine, tree_egg)),
)
