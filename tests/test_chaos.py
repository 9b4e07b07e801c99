"""The short form of `make bench-chaos`: one kill of each kind, a model with random weights."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chaos import Plan, run


def test_kills_at_random_moments_lose_nothing_and_draw_nothing_twice(
    tiny_model: Path, tmp_path: Path
) -> None:
    plan = Plan(jobs=6, kills=2, together=3, steps=2, longest=1.0, model=str(tiny_model), seed=1)
    outcome = run(plan, tmp_path)
    assert outcome.good, outcome
    assert outcome.accepted == 6 and sum(outcome.killed.values()) == 2
