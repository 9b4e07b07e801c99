"""Counting verdicts: how many statements of each kind hold, over which pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..storybook.verdict import Verdict
from .intervals import wilson


class Rate(BaseModel):
    """So many of so many, and the 95 % Wilson interval of the share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted: int = Field(ge=0)
    total: int = Field(ge=0)
    low: float
    high: float

    @classmethod
    def of(cls, accepted: int, total: int) -> Rate:
        """The rate with its interval."""
        low, high = wilson(accepted, total)
        return cls(accepted=accepted, total=total, low=round(low, 4), high=round(high, 4))

    @property
    def share(self) -> float:
        """Accepted over total, 0 where there is nothing."""
        return self.accepted / self.total if self.total else 0.0


class Rows(BaseModel):
    """The rates of one set of pictures: by kind of statement, left and right alone, and all of a prompt's at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pictures: int
    statements: dict[str, Rate]
    left_right: Rate
    all_correct: Rate

    @property
    def every(self) -> Rate:
        """All statements of all kinds together."""
        rates = self.statements.values()
        return Rate.of(sum(rate.accepted for rate in rates), sum(rate.total for rate in rates))


def tally(kinds: Sequence[str], pictures: Iterable[Iterable[Verdict]]) -> Rows:
    """Count the verdicts on each picture's statements, by the kinds that there are."""
    accepted, total = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    sides, sides_total, whole, count = 0, 0, 0, 0
    for verdicts in pictures:
        count += 1
        correct = True
        for verdict in verdicts:
            kind = verdict.statement.kind
            accepted[kind] += verdict.holds
            total[kind] += 1
            correct &= verdict.holds
            if verdict.statement.value in ("left of", "right of"):
                sides += verdict.holds
                sides_total += 1
        whole += correct
    return Rows(
        pictures=count,
        statements={kind: Rate.of(accepted[kind], total[kind]) for kind in kinds},
        left_right=Rate.of(sides, sides_total),
        all_correct=Rate.of(whole, count),
    )
