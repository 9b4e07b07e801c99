"""The house: walls in its colour under a darker roof."""

from __future__ import annotations

from ..shapes import Shape, arc, ellipse, leaned, polygon, rect
from .subject import Subject


def _window(x: float, y: float, width: float, height: float) -> list[Shape]:
    bar = 0.018
    return [
        rect(
            x - width / 2 - 0.035,
            y - height / 2 - 0.035,
            x + width / 2 + 0.035,
            y + height / 2 + 0.035,
            "paper",
        ),
        rect(x - width / 2, y - height / 2, x - bar, y + height / 2, "glass"),
        rect(x + bar, y - height / 2, x + width / 2, y + height / 2, "glass"),
    ]


def house_gable(pose: float) -> list[Shape]:
    """A cottage with its gable to the front."""
    chimney = [rect(0.7, 0.06, 0.84, 0.4, "main"), rect(0.68, 0.04, 0.86, 0.11, "shade")]
    walls = polygon([(0.12, 1.0), (0.12, 0.46), (0.5, 0.08), (0.88, 0.46), (0.88, 1.0)], "main")
    roof = polygon([(0.5, 0.0), (1.0, 0.47), (0.93, 0.57), (0.5, 0.17), (0.07, 0.57), (0.0, 0.47)], "shade")
    door = [rect(0.42 - 0.13, 0.64, 0.42 + 0.08, 1.0, "wood"), ellipse(0.45, 0.83, 0.022, 0.022, "gold")]
    shapes = [
        *chimney,
        walls,
        roof,
        *door,
        *_window(0.69, 0.74, 0.18, 0.17),
        ellipse(0.5, 0.38, 0.095, 0.095, "paper"),
        ellipse(0.5, 0.38, 0.062, 0.062, "glass"),
    ]
    return leaned(shapes, 0.04 * pose)


def house_long(pose: float) -> list[Shape]:
    """A long house seen from its eaves, with a hipped roof."""
    roof = polygon([(0.16, 0.04), (0.84, 0.04), (1.0, 0.38), (0.0, 0.38)], "shade")
    chimney = [rect(0.63, 0.03, 0.77, 0.23, "main"), rect(0.61, 0.0, 0.79, 0.07, "light")]
    walls = [rect(0.05, 0.36, 0.95, 1.0, "main"), rect(0.0, 0.35, 1.0, 0.41, "light", 0.03)]
    door = [rect(0.42, 0.64, 0.58, 1.0, "wood"), ellipse(0.54, 0.82, 0.022, 0.022, "gold")]
    windows = [*_window(0.23, 0.66, 0.15, 0.15), *_window(0.77, 0.66, 0.15, 0.15)]
    return leaned([roof, *chimney, *walls, *door, *windows], 0.04 * pose)


def house_tall(pose: float) -> list[Shape]:
    """A narrow town house of two floors with a steep roof."""
    side = polygon([(0.78, 1.0), (0.78, 0.36), (0.94, 0.36), (0.94, 1.0)], "shade")
    walls = polygon([(0.08, 1.0), (0.08, 0.44), (0.43, 0.05), (0.78, 0.44), (0.78, 1.0)], "main")
    roof = [
        polygon([(0.43, 0.0), (0.72, 0.0), (1.0, 0.41), (0.8, 0.45)], "shade"),
        polygon([(0.43, 0.0), (0.85, 0.44), (0.78, 0.5), (0.43, 0.13), (0.08, 0.5), (0.01, 0.44)], "light"),
    ]
    door = [rect(0.18, 0.74, 0.35, 1.0, "wood"), arc(0.265, 0.75, 0.085, 0.085, 180, 360, "wood")]
    shapes = [side, walls, *roof, *door, *_window(0.43, 0.43, 0.15, 0.14), *_window(0.58, 0.76, 0.13, 0.14)]
    return leaned(shapes, 0.04 * pose)


BUILDINGS = (
    Subject(
        "house",
        ("house", "cottage", "home"),
        ("houses", "cottages", "homes"),
        (house_gable, house_long, house_tall),
        top=0.97,
    ),
)
