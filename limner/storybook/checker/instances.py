"""The single things in a picture: regions that stand out, joined or cut until each is explained as one subject."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .fitting import COLOUR_TONES, Frame, Match, Sheet, best_of_each, likely_colours, refined
from .segmentation import SIZE, Bool, Box, View, merge, regions, tight

_POOR = 0.25
_CUT = 0.75
_JOIN = 0.85
_JOIN_SMALL = 1.05
_MOST = 8
_WHOLE = 0.8
_NEAR = 12
_LEAST_SHARE = 0.2
_FAINT = 0.5
NOTHING = 0.7
"""What explains a region worse than this is no explanation at all."""
_UNSURE = 0.24

Region = tuple[Box, Bool]


@dataclass(frozen=True)
class Instance:
    """One thing in a picture: its region, and the best match of every subject, the best first."""

    box: Box
    region: Bool
    matches: tuple[Match, ...]

    @property
    def best(self) -> Match:
        return self.matches[0]

    def of(self, subject: str) -> Match:
        """The best match of one subject."""
        return next(match for match in self.matches if match.subject == subject)


class Explainer:
    """Finds the instances of one view; keeps what it has fitted."""

    def __init__(self, seen: View) -> None:
        self.seen = seen
        self._known: dict[Box, list[Match]] = {}

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(128, 128): the number of the subject colour that each pixel is nearest to."""
        tones = COLOUR_TONES.reshape(-1, 3)
        flat = self.seen.pixels.reshape(-1, 3)
        gap = (tones**2).sum(1) - 2 * flat @ tones.T
        nearest: NDArray[np.int64] = gap.argmin(1).reshape(self.seen.front.shape) // COLOUR_TONES.shape[1]
        return nearest

    def _sheet(self, region: Region, reach: float = 0.55) -> Sheet:
        return Sheet(self.seen, region[0].grown(reach), self.seen.front & ~region[1])

    def _fit(self, region: Region, kind: str = "all", reach: float = 0.0) -> list[Match]:
        colours = likely_colours(self.labels[region[1]])
        return best_of_each(self._sheet(region, reach), Frame.of(region[0]), colours, kind)

    def _cost(self, region: Region) -> float:
        """How badly the subject that fits best explains a region; what each subject costs is kept."""
        if region[0] not in self._known:
            matches = self._fit(region)
            best = min(matches, key=lambda match: match.cost)
            if best.cost > _UNSURE:
                # A part may be lost against the background: look in larger boxes as well.
                sheet = self._sheet(region)
                tries = [best_of_each(sheet, frame, [best.colour], "plain") for frame in _larger(region[0])]
                matches = [
                    min(each, key=lambda match: match.cost) for each in zip(matches, *tries, strict=True)
                ]
            self._known[region[0]] = matches
        return min(match.cost for match in self._known[region[0]])

    def _joined(self, found: list[Region]) -> list[Region]:
        again = True
        while again:
            again = False
            for i in range(len(found)):
                for j in range(i + 1, len(found)):
                    if _apart(found[i][0], found[j][0]) > _NEAR:
                        continue
                    sizes = [int(found[k][1].sum()) for k in (i, j)]
                    alone = np.average([self._cost(found[i]), self._cost(found[j])], weights=sizes)
                    if alone < 0.15:
                        continue
                    both = merge(found[i], found[j])
                    if self._cost(both) < alone * _kept(found[i], found[j]):
                        found[i] = both
                        del found[j]
                        again = True
                        break
                if again:
                    break
        return found

    def _cuts(self, region: Region) -> list[tuple[Region, Region]]:
        box, mask = region
        pairs = []
        for across in (True, False):
            low, high = (box.top, box.bottom) if across else (box.left, box.right)
            for at in range(low + (high - low) // 5, high - (high - low) // 5, max(3, (high - low) // 14)):
                half = np.zeros_like(mask)
                half[
                    (slice(None, at) if across else slice(None)), (slice(None) if across else slice(None, at))
                ] = True
                first, second = mask & half, mask & ~half
                if min(first.sum(), second.sum()) > 60:
                    pairs.append(((tight(first), first), (tight(second), second)))
        return pairs

    def _stacks(self, region: Region) -> list[tuple[Region, Region]]:
        """One thing before the upper part of another, told apart by the other's colour below a cut."""
        box, mask = region
        labels = self.labels
        pairs = []
        for at in range(box.top + box.height * 3 // 10, box.bottom - box.height * 15 // 100, 4):
            above = mask.copy()
            above[at:] = False
            below = mask & ~above
            if min(above.sum(), below.sum()) < 60:
                continue
            colour = np.bincount(labels[below], minlength=10).argmax()
            upper = ndimage.binary_opening(above & (labels != colour), np.ones((2, 2)))
            if upper.sum() < 100:
                continue
            lower = mask & ~upper
            one, other = tight(upper), tight(lower)
            for rise in (1.0, 1.5, 2.0):
                top = round(other.bottom - rise * (other.bottom - max(other.top, at)))
                for start in {top, other.top} if rise == 1.0 else {top}:
                    pairs.append(((one, upper), (Box(other.left, start, other.right, other.bottom), lower)))
        return pairs

    def _best(
        self, pairs: list[tuple[Region, Region]], most: float
    ) -> tuple[float, tuple[Region, Region] | None]:
        best, parts = most, None
        for pair in pairs:
            each = [min(m.cost for m in self._fit(part, "plain")) for part in pair]
            cost = float(np.average(each, weights=[part[1].sum() for part in pair]))
            if cost < best:
                best, parts = cost, pair
        return best, parts

    def _cut(self, region: Region, depth: int = 2) -> list[Region]:
        whole = self._cost(region)
        if whole < _POOR or depth == 0 or region[1].sum() < 400:
            return [region]
        best, parts = self._best(self._cuts(region), whole)
        stacked = False
        if best > _POOR:
            _, stack = self._best(self._stacks(region), best - 0.03)
            parts, stacked = stack or parts, stack is not None
        if parts is None:
            return [region]
        deeper = list(parts) if stacked else [piece for part in parts for piece in self._cut(part, depth - 1)]
        cost = float(np.average([self._cost(p) for p in deeper], weights=[p[1].sum() for p in deeper]))
        return deeper if cost < _CUT * whole else [region]

    def _framed(self, region: Region) -> Region:
        """A region in the box that explains it best: its own, or that of its solid or most distinct part."""
        if self._cost(region) < _POOR:
            return region
        choices = [region]
        for firm in (
            ndimage.binary_opening(region[1], np.ones((3, 3))),
            ndimage.binary_opening(region[1] & (self.seen.behind > 48), np.ones((2, 2))),
        ):
            if firm.sum() > 0.5 * region[1].sum():
                choices.append((tight(firm), region[1]))
        return min(choices, key=self._cost)

    def instances(self) -> list[Instance]:
        """All that stands out and is large or clear enough to be a thing, the largest first."""
        apart = [region for region in regions(self.seen.front) if region[0].area < _WHOLE * SIZE**2]
        found = [self._framed(region) for region in apart[:_MOST]]
        found = self._joined(found)
        found = [piece for region in found for piece in self._cut(region)]
        if not found:
            return []
        largest = max(int(mask.sum()) for _, mask in found)
        found = [region for region in found if region[1].sum() >= _LEAST_SHARE * largest]
        things = [self._instance(region, found) for region in found]
        things.sort(key=lambda one: -int(one.region.sum()))
        return [
            one
            for one in things
            if one.best.cost < (NOTHING if one.region.sum() >= 0.5 * largest else _FAINT)
        ]

    def _instance(self, region: Region, all_regions: list[Region]) -> Instance:
        self._cost(region)
        matches, sheet = self._known[region[0]], self._sheet(region)
        if self._cost(region) > _UNSURE:
            others = np.any(
                [r[1] for r in all_regions if r[1] is not region[1]] + [np.zeros_like(region[1])], 0
            )
            sheet = Sheet(self.seen, region[0].grown(0.55), others & ~region[1])
        ranked = sorted(matches, key=lambda match: match.cost)
        sharp = [
            refined(sheet, match) if k < 2 or (k < 6 and match.cost < ranked[0].cost + 0.12) else match
            for k, match in enumerate(ranked)
        ]
        return Instance(region[0], region[1], tuple(sorted(sharp, key=lambda match: match.cost)))


def _kept(a: Region, b: Region) -> float:
    """What a joined region may cost, as a share of its parts: more where one is a small bit beside the other."""
    small, large = sorted((int(a[1].sum()), int(b[1].sum())))
    return _JOIN_SMALL if small < 0.4 * large and _apart(a[0], b[0]) <= 4 else _JOIN


def _larger(box: Box) -> list[Frame]:
    """Boxes that reach further than a box on one side or at one corner."""
    left, top, right, bottom = box.left, box.top, box.right, box.bottom
    frames = []
    for share in (0.2, 0.45):
        dx, dy = share * box.width, share * box.height
        for x0, y0, x1, y1 in (
            (0, 1, 0, 0), (0, 0, 0, 1), (1, 0, 0, 0), (0, 0, 1, 0),
            (1, 1, 0, 0), (0, 1, 1, 0), (1, 0, 0, 1), (0, 0, 1, 1),
        ):  # fmt: skip
            frames.append(Frame(left - x0 * dx, top - y0 * dy, right + x1 * dx, bottom + y1 * dy))
    return frames


def _apart(a: Box, b: Box) -> int:
    """The larger of the gaps between two boxes across and down, in pixels; 0 where they meet."""
    return max(0, a.left - b.right, b.left - a.right, a.top - b.bottom, b.top - a.bottom)
