"""Pages of samples: every picture is there, above its caption."""

from __future__ import annotations

import numpy as np

from limner.sheets import captioned, grid


def test_a_grid_puts_pictures_side_by_side() -> None:
    tones = [np.full((4, 6, 3), tone, np.uint8) for tone in (10, 20, 30, 40)]
    made = np.asarray(grid([tones[:2], tones[2:]]))
    assert made.shape == (8, 12, 3)
    assert [made[y, x, 0] for y, x in ((0, 0), (0, 6), (4, 0), (4, 6))] == [10, 20, 30, 40]


def test_small_pictures_are_enlarged_and_captions_written_below() -> None:
    pictures = [np.full((96, 96, 3), 40 * k, np.uint8) for k in range(5)]
    made = np.asarray(captioned(pictures, ["a red apple on a wooden table, by moonlight, in the rain"] * 5))
    assert made.shape[1] == 4 * 192 and made.shape[0] % 2 == 0
    row = made.shape[0] // 2
    assert (made[:192, 192:384] == 40).all() and (made[row : row + 192, :192] == 160).all()
    assert (made[192:row, :192] == 0).any() and (made[row:, 192:] == 255).all()
