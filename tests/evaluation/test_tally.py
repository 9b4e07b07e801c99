"""Rates and their intervals: pictures of one prompt count as alike as they are."""

from __future__ import annotations

import json

from limner.evaluation.intervals import wilson
from limner.evaluation.tally import Rows, tally
from limner.storybook.scene import Statement
from limner.storybook.verdict import Verdict


def seen(holds: bool) -> list[Verdict]:
    """What is said of one picture: a subject, and its colour."""
    return [
        Verdict(Statement(kind, value), holds, "") for kind, value in (("subject", "cat"), ("colour", "red"))
    ]


def test_three_pictures_of_a_prompt_that_are_alike_count_as_one() -> None:
    once = [k % 4 != 0 for k in range(100)]
    pictures = [seen(holds) for holds in once for _ in range(3)]
    rows = tally(("subject", "colour"), pictures, [prompt for prompt in range(100) for _ in range(3)])
    for rate in (rows.statements["subject"], rows.all_correct, rows.every):
        assert rate.share == 0.75
        assert abs(rate.low - wilson(75, 100)[0]) < 3e-3 and abs(rate.high - wilson(75, 100)[1]) < 3e-3
    alone = tally(("subject", "colour"), [seen(holds) for holds in once])
    low, high = wilson(75, 100)
    assert (alone.all_correct.low, alone.all_correct.high) == (round(low, 4), round(high, 4))


def test_rates_of_a_card_from_before_still_read() -> None:
    told = json.loads(tally(("subject", "colour"), [seen(True), seen(False)]).model_dump_json())
    del told["together"]
    every = Rows.model_validate(told).every
    assert (every.accepted, every.total) == (2, 4) and every.low == round(wilson(2, 4)[0], 4)
