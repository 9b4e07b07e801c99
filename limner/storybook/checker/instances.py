"""The single things in a picture: regions that stand out, joined or cut until each is explained as one subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fitting import Frame, Match, Sheet, best_of_each, likely_colours, refined
from .segmentation import Bool, Box, View, merge, regions, tight

_POOR = 0.17
_GAIN = 0.03
_MOST = 8
_NEAR = 12
_LEAST_SHARE = 0.2
_FAINT = 0.45

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

    def __init__(self, seen: View, subjects: tuple[str, ...]) -> None:
        self.seen, self.subjects = seen, subjects
        self._known: dict[Box, list[Match]] = {}

    def _sheet(self, region: Bool) -> Sheet:
        return Sheet(self.seen, self.seen.front, self.seen.front & ~region)

    def _fit(self, region: Region, kind: str = "all") -> list[Match]:
        colours = likely_colours(self.seen, region[1])
        return best_of_each(self._sheet(region[1]), Frame.of(region[0]), colours, kind)

    def _cost(self, region: Region) -> float:
        if region[0] not in self._known:
            self._known[region[0]] = self._fit(region)
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
                    if alone < 0.1:
                        continue
                    both = merge(found[i], found[j])
                    if self._cost(both) < alone - _GAIN:
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
            for at in range(low + (high - low) // 5, high - (high - low) // 5, 3):
                half = np.zeros_like(mask)
                half[(slice(None, at) if across else slice(None)), (slice(None) if across else slice(None, at))] = True
                first, second = mask & half, mask & ~half
                if min(first.sum(), second.sum()) > 60:
                    pairs.append(((tight(first), first), (tight(second), second)))
        return pairs

    def _cut(self, region: Region, depth: int = 2) -> list[Region]:
        whole = self._cost(region)
        if whole < _POOR or depth == 0 or region[1].sum() < 400:
            return [region]
        best, parts = whole, None
        for pair in self._cuts(region):
            each = [min(m.cost for m in self._fit(part, "plain")) for part in pair]
            cost = float(np.average(each, weights=[part[1].sum() for part in pair]))
            if cost < best:
                best, parts = cost, pair
        if parts is None:
            return [region]
        deeper = [piece for part in parts for piece in self._cut(part, depth - 1)]
        cost = float(np.average([self._cost(p) for p in deeper], weights=[p[1].sum() for p in deeper]))
        return deeper if cost < whole - _GAIN else [region]

    def instances(self) -> list[Instance]:
        """All that stands out and is large or clear enough to be a thing, the largest first."""
        found = self._joined(regions(self.seen.front)[:_MOST])
        found = [piece for region in found for piece in self._cut(region)]
        if not found:
            return []
        largest = max(int(mask.sum()) for _, mask in found)
        kept = [
            region
            for region in found
            if region[1].sum() >= _LEAST_SHARE * largest and (self._cost(region) < _FAINT or region[1].sum() >= 0.5 * largest)
        ]
        return [self._instance(region) for region in sorted(kept, key=lambda r: -int(r[1].sum()))]

    def _instance(self, region: Region) -> Instance:
        self._cost(region)
        sheet = self._sheet(region[1])
        ranked = sorted(self._known[region[0]], key=lambda match: match.cost)
        sharp = [
            refined(sheet, match) if k < 3 or match.subject in self.subjects else match
            for k, match in enumerate(ranked)
        ]
        return Instance(region[0], region[1], tuple(sorted(sharp, key=lambda match: match.cost)))


def _apart(a: Box, b: Box) -> int:
    """The larger of the gaps between two boxes across and down, in pixels; 0 where they meet."""
    return max(0, a.left - b.right, b.left - a.right, a.top - b.bottom, b.top - a.bottom)
