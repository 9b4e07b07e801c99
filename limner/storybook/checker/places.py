"""Which place and time of day a picture shows, told from how its tones are laid out.

Every place, time and weather is drawn a few times in small; a picture belongs to the one whose drawings explain
most of its cells. What stands in front is explained by none of them and so counts for none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..grammar import random_for
from ..palette import RGB
from ..places import background, lit, shadow
from ..render import SIGN_TONES
from ..scene import INDOORS, PLACES, TIMES, WEATHERS

_CELLS = 32
_SAMPLES = 10
_CAP = 70.0
_EXPLAINED = 0.68
_SEED = 0xC4EC


@dataclass(frozen=True)
class Setting:
    """A place, a time of day and a weather, and how far a picture is from it (0 to 1)."""

    place: str
    time: str
    weather: str
    distance: float


@dataclass(frozen=True)
class Band:
    """A tone of a background, the rows (0 to 1) where it may be, and its share of the picture where it is."""

    tone: RGB
    top: float
    bottom: float
    share: float


_FALLING = {(126, 138, 190), (206, 220, 234), (206, 212, 236), (248, 250, 252)}
_SETTINGS = tuple(
    (place, time, weather)
    for place in PLACES
    for time in TIMES
    for weather in (("clear",) if place in INDOORS else WEATHERS)
)


def _small(place: str, time: str, weather: str, index: int) -> NDArray[np.float32]:
    scale = _CELLS * 4
    canvas = Image.new("RGB", (scale, scale))
    draw = ImageDraw.Draw(canvas)
    for shape, colour in background(random_for(_SEED, index), place, time, weather):
        draw.polygon((shape.points * scale).ravel().tolist(), fill=colour)
    return np.asarray(canvas.reduce(4), np.float32)


@lru_cache(maxsize=1)
def _samples() -> NDArray[np.float32]:
    """(settings, samples, cells * cells, 3)."""
    drawn = [[_small(*setting, k) for k in range(_SAMPLES)] for setting in _SETTINGS]
    return np.asarray(drawn, np.float32).reshape(len(_SETTINGS), _SAMPLES, -1, 3)


def settings(pixels: NDArray[np.uint8]) -> list[Setting]:
    """All settings for a picture, uint8 (H, W, 3), the likeliest first."""
    cells = np.asarray(Image.fromarray(pixels).resize((_CELLS, _CELLS), Image.Resampling.BOX), np.float32)
    gap = np.abs(_samples() - cells.reshape(1, 1, -1, 3)).sum(3)  # (settings, samples, cells)
    nearest = np.minimum(gap.min(1), _CAP)
    # One sample as a whole must be near as well: the best mixture of all is too kind to busy places.
    whole = np.minimum(gap, _CAP).mean(2).min(1)
    distance = (0.6 * nearest.mean(1) + 0.4 * whole) / _CAP
    order = np.argsort(distance)
    return [Setting(*_SETTINGS[int(k)], distance=float(distance[k])) for k in order]


def plausible(setting: Setting) -> bool:
    """Whether a picture is near enough to the setting to show it at all."""
    return setting.distance < _EXPLAINED


@lru_cache(maxsize=128)
def bands(place: str, time: str, weather: str, sign: bool) -> tuple[Band, ...]:
    """The tones that the background of a setting can have, without stars, flakes and drops."""
    found: dict[RGB, tuple[float, float, float]] = {}

    def add(tone: RGB, top: float, bottom: float, share: float) -> None:
        a, b, c = found.get(tone, (1.0, 0.0, 0.0))
        found[tone] = (min(a, top), max(b, bottom), max(c, share))

    for index in range(16):
        for shape, tone in background(random_for(_SEED, index), place, time, weather):
            low, high = shape.points.min(0), shape.points.max(0)
            size = high - low
            if max(size) < 0.02 or (weather != "clear" and tone in _FALLING):
                continue
            add(tone, float(low[1]), float(high[1]), float(np.prod(np.clip(size, 0, 1))))
    add(shadow(place, time), 0.5, 1.0, 0.0)
    if sign:
        for tone in SIGN_TONES:
            add(lit(tone, time), 0.38, 0.92, 0.0)
    return tuple(Band(tone, a - 0.03, b + 0.03, c) for tone, (a, b, c) in found.items())
