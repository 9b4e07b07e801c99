"""What a checker says of one statement."""

from __future__ import annotations

from dataclasses import dataclass

from .scene import Statement


@dataclass(frozen=True)
class Verdict:
    """Whether a statement holds for a picture, and why."""

    statement: Statement
    holds: bool
    reason: str
