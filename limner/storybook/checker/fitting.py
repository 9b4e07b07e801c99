"""Holding templates against a picture: how badly each subject, in each colour, explains a box of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..palette import COLOURS
from .segmentation import Bool, Box, Float, View
from .templates import GRID, NAMES, TONES, Bank, bank

_CAP = 120.0
_FREE = 18.0
_MIXED = 0.2
_OUTSIDE = 0.8
_ASPECT_FREE = 0.08
_ASPECT_COST = 0.35
_COLOURS = 3
_STEPS = np.linspace(0, 1, GRID + 1)
COLOUR_TONES = np.asarray([COLOURS[c] for c in COLOURS], np.float32)  # (colours, 3 tones, 3)


@dataclass(frozen=True)
class Frame:
    """A box in pixels with fractions: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, box: Box) -> Frame:
        return cls(float(box.left), float(box.top), float(box.right), float(box.bottom))

    @property
    def aspect(self) -> float:
        """The logarithm of width over height."""
        return float(np.log(max(1.0, self.right - self.left) / max(1.0, self.bottom - self.top)))


@dataclass(frozen=True)
class Match:
    """One template held against one frame: `cost` 0 (exact) to about 1 (nothing fits)."""

    cost: float
    subject: str
    colour: str
    template: int
    frame: Frame

    @property
    def unit(self) -> tuple[float, float, float, float]:
        """The unit box (left, top, right, bottom) in pixels that the match implies."""
        left, top, right, bottom = bank().bounds[self.template].tolist()
        sx = (self.frame.right - self.frame.left) / (right - left)
        sy = (self.frame.bottom - self.frame.top) / (bottom - top)
        x, y = self.frame.left - left * sx, self.frame.top - top * sy
        return x, y, x + sx, y + sy


class Sheet:
    """A part of a view, with some pixels left out of account, ready to be read in boxes of any place and size.

    `ignored` (128, 128) bool are pixels that count neither for nor against a template.
    """

    def __init__(self, seen: View, window: Box, ignored: Bool) -> None:
        """Make ready what lies in `window`; frames may reach out of it, and see nothing there."""
        part = slice(window.top, window.bottom), slice(window.left, window.right)
        counted = (~ignored[part]).astype(np.float32)[..., None]
        planes = (
            np.concatenate([seen.pixels[part], seen.front[part][..., None], np.ones_like(counted)], 2)
            * counted
        )
        self._window = window
        self._sums = np.zeros((window.height + 1, window.width + 1, 5), np.float64)
        self._sums[1:, 1:] = planes.cumsum(0, dtype=np.float64).cumsum(1)

    def cells(self, frame: Frame) -> tuple[Float, Float, Float]:
        """Mean RGB (cells, 3), share that stands out (cells,) and share that counts (cells,)."""
        at = self._window
        x = np.clip(frame.left - at.left + (frame.right - frame.left) * _STEPS, 0, at.width)
        y = np.clip(frame.top - at.top + (frame.bottom - frame.top) * _STEPS, 0, at.height)
        x0, y0 = np.minimum(x.astype(int), at.width - 1), np.minimum(y.astype(int), at.height - 1)
        fx, fy = (x - x0)[None, :, None], (y - y0)[:, None, None]
        rows = self._sums[y0] * (1 - fy) + self._sums[y0 + 1] * fy
        grid = rows[:, x0] * (1 - fx) + rows[:, x0 + 1] * fx
        area = (grid[1:, 1:] - grid[:-1, 1:] - grid[1:, :-1] + grid[:-1, :-1]).reshape(-1, 5)
        size = np.diff(y)[:, None] * np.diff(x)[None, :]
        weight = area[:, 4:] + 1e-6
        mean = (area[:, :4] / weight).astype(np.float32)
        share = np.clip(area[:, 4] / np.maximum(size.ravel(), 1e-6), 0, 1).astype(np.float32)
        return mean[:, :3], mean[:, 3], share

    def table(self, frame: Frame, colour: str) -> NDArray[np.complex64]:
        """The cost of each paint in each cell, and its weight as the imaginary part, (2 * paints, cells)."""
        rgb, front, share = self.cells(frame)
        tones = TONES[colour]
        squared = (rgb**2).sum(1)[None] - 2 * tones @ rgb.T + (tones**2).sum(1)[:, None]
        inside = np.clip((np.sqrt(np.maximum(squared, 0)) - _FREE) / (_CAP - _FREE), 0, 1)
        cost = np.concatenate([_OUTSIDE * front[None], inside]) * share
        # Empty cells outside a shape say nothing: what is counted is the shape together with all that stands out.
        weight = np.concatenate([(front * share)[None], np.broadcast_to(share, inside.shape)])
        both = (cost + 1j * weight).astype(np.complex64)
        return np.concatenate([both, np.complex64(_MIXED) * both])


@lru_cache(maxsize=8)
def _places(kind: str) -> NDArray[np.int64]:
    """The numbers of the templates of a part of the bank: "all", or "plain" (poses at rest) for a coarse look."""
    templates = bank()
    if kind == "all":
        return np.arange(len(templates.paints))
    keys = templates.subject * 100 + templates.drawing
    keep: list[int] = []
    for key in np.unique(keys):
        same = np.flatnonzero(keys == key).tolist()
        keep += same[max(0, len(same) // 2 - 1) : len(same) // 2 + 1]
    return np.asarray(sorted(keep))


def _index(chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in a table the cells of the chosen templates are, (n, cells)."""
    return bank().paints[chosen].astype(np.int64) * (GRID * GRID) + np.arange(GRID * GRID)


@lru_cache(maxsize=4)
def _index_of(kind: str) -> NDArray[np.int64]:
    return _index(_places(kind))


def costs(
    sheet: Sheet, frame: Frame, colour: str, chosen: NDArray[np.int64], cells: NDArray[np.int64] | None = None
) -> Float:
    """The cost of the chosen templates (n,) in a frame and a colour, (n,)."""
    templates: Bank = bank()
    cells = _index(chosen) if cells is None else cells
    both = sheet.table(frame, colour).ravel().take(cells).sum(1)
    bend = np.maximum(0, np.abs(templates.aspect[chosen] - frame.aspect) - _ASPECT_FREE)
    found: Float = (both.real / np.maximum(both.imag, 1e-6) + _ASPECT_COST * bend).astype(np.float32)
    return found


def likely_colours(labels: NDArray[np.int64], most: int = _COLOURS) -> list[str]:
    """The subject colours that a region may wear, the likeliest first; `labels` (n,) are those of its pixels."""
    shares = np.bincount(labels, minlength=len(COLOURS))
    order = np.argsort(-shares)[:most]
    return [list(COLOURS)[k] for k in order if shares[k] > 0.08 * len(labels)]


def best_of_each(sheet: Sheet, frame: Frame, colours: list[str], kind: str = "all") -> list[Match]:
    """The best match of every subject in a frame, in the order of NAMES."""
    chosen = _places(kind)
    each = np.stack(
        [costs(sheet, frame, colour, chosen, _index_of(kind)) for colour in colours]
    )  # (colours, n)
    subject = bank().subject[chosen]
    lowest, colour = each.min(0), each.argmin(0)
    found = []
    for number, name in enumerate(NAMES):
        mine = np.flatnonzero(subject == number)
        k = int(mine[lowest[mine].argmin()])
        found.append(Match(float(lowest[k]), name, colours[int(colour[k])], int(chosen[k]), frame))
    return found


def refined(sheet: Sheet, match: Match, rounds: int = 3) -> Match:
    """The same subject with the edges of its frame, its pose and its facing moved to fit better."""
    templates = bank()
    mine = np.flatnonzero(templates.subject == templates.subject[match.template])
    cells = _index(mine)
    best = match
    for k in range(rounds):
        frame = best.frame
        width, height = frame.right - frame.left, frame.bottom - frame.top
        dx, dy = (max(0.5, size * 0.05 / (1 + k)) for size in (width, height))
        for moved in (
            Frame(frame.left - dx, frame.top, frame.right, frame.bottom),
            Frame(frame.left + dx, frame.top, frame.right, frame.bottom),
            Frame(frame.left, frame.top - dy, frame.right, frame.bottom),
            Frame(frame.left, frame.top + dy, frame.right, frame.bottom),
            Frame(frame.left, frame.top, frame.right + dx, frame.bottom),
            Frame(frame.left, frame.top, frame.right - dx, frame.bottom),
            Frame(frame.left, frame.top, frame.right, frame.bottom + dy),
            Frame(frame.left, frame.top, frame.right, frame.bottom - dy),
        ):
            cost = (
                costs(sheet, moved, best.colour, mine, cells)
                if k == 0
                else costs(sheet, moved, best.colour, np.asarray([best.template]))
            )
            j = int(cost.argmin())
            if cost[j] < best.cost:
                best = Match(
                    float(cost[j]),
                    best.subject,
                    best.colour,
                    int(mine[j]) if k == 0 else best.template,
                    moved,
                )
    return best
