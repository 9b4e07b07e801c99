"""What a batch of a matcher holds: wrong captions beside the right ones."""

from __future__ import annotations

import numpy as np
import pytest

from limner.families.matcher.examples import Examples

_COUNT, _WRONG = 6, 4


def _examples() -> Examples:
    """Picture k has captions 100 k + 0..5, the last four worded as its wrong ones, 100 k + 52..55."""
    rows = [[np.full(3, 100 * (k + 1) + j) for j in range(6)] for k in range(_COUNT)]
    wrong = [[np.full(3, 100 * (k + 1) + 52 + j) for j in range(_WRONG)] for k in range(_COUNT)]
    pictures = np.zeros((_COUNT, 32, 32, 3), np.uint8)
    return Examples(pictures, [np.array(each) for each in rows], [np.array(each) for each in wrong])


@pytest.mark.parametrize("each", [1, 3, 9])
def test_a_picture_comes_with_so_many_wrong_captions_the_first_in_its_own_words(each: int) -> None:
    batch = _examples().at_random(0, 40, 1, 0, 0, 0.0, 0.0, each)
    many = min(each, _WRONG)
    texts, wrong = batch.texts[:, 0], batch.wrong[:, 0].reshape(40, many)
    assert batch.wrong_of.tolist() == [k for k in range(40) for _ in range(many)]
    assert batch.same.shape == (40, 40 + 40 * many) and not batch.same[:, 40:].any()
    for own, others in zip(texts.tolist(), wrong.tolist(), strict=True):
        assert len(set(others)) == many and {other // 100 for other in others} == {own // 100}
        if own % 100 >= 2:
            assert others[0] % 100 == own % 100 + 50
