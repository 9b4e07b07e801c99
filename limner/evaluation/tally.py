"""Counting verdicts: how many statements of each kind hold, over which pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count as counting

from pydantic import BaseModel, ConfigDict, Field

from ..storybook.verdict import Verdict
from .intervals import wilson, wilson_of_groups

_Outcome = tuple[bool, object]
"""Whether a statement holds, and the prompt that says it."""


class Rate(BaseModel):
    """So many of so many, and the 95 % interval of the share: Wilson's, at the effective number of outcomes
    (`wilson_of_groups`); cards of before have it as if all were independent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted: int = Field(ge=0)
    total: int = Field(ge=0)
    low: float
    high: float

    @property
    def share(self) -> float:
        """Accepted over total, 0 where there is nothing."""
        return self.accepted / self.total if self.total else 0.0


class Rows(BaseModel):
    """The rates of one set of pictures: by kind of statement, left and right alone, and all of a prompt's at once;
    `together` is of the statements of all kinds, which cards of before do not have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pictures: int
    statements: dict[str, Rate]
    left_right: Rate
    all_correct: Rate
    together: Rate | None = None

    @property
    def every(self) -> Rate:
        """All statements of all kinds together."""
        if self.together is not None:
            return self.together
        rates = self.statements.values()
        accepted, total = sum(rate.accepted for rate in rates), sum(rate.total for rate in rates)
        low, high = wilson(accepted, total)
        return Rate(accepted=accepted, total=total, low=round(low, 4), high=round(high, 4))


def tally(
    kinds: Sequence[str], pictures: Iterable[Iterable[Verdict]], prompts: Iterable[object] | None = None
) -> Rows:
    """Count the verdicts on each picture's statements, by the kinds that there are.

    `prompts` says which prompt each picture is of; without it they are all of other ones.
    """
    found: dict[str, list[_Outcome]] = {kind: [] for kind in kinds}
    sides, whole = list[_Outcome](), list[_Outcome]()
    for verdicts, prompt in zip(
        pictures, counting() if prompts is None else prompts, strict=prompts is not None
    ):
        correct = True
        for verdict in verdicts:
            outcome = verdict.holds, prompt
            found[verdict.statement.kind].append(outcome)
            correct &= verdict.holds
            if verdict.statement.value in ("left of", "right of"):
                sides.append(outcome)
        whole.append((correct, prompt))
    return Rows(
        pictures=len(whole),
        statements={kind: _rate(outcomes) for kind, outcomes in found.items()},
        left_right=_rate(sides),
        all_correct=_rate(whole),
        together=_rate([outcome for outcomes in found.values() for outcome in outcomes]),
    )


def _rate(outcomes: Sequence[_Outcome]) -> Rate:
    held = [holds for holds, _ in outcomes]
    low, high = wilson_of_groups(held, [prompt for _, prompt in outcomes])
    return Rate(accepted=sum(held), total=len(held), low=round(low, 4), high=round(high, 4))
