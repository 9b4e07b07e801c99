"""The loss of decoders against a slow obvious version, and what its squares are for."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from limner.training.reconstruction import reconstruction_loss


def test_reconstruction_is_a_weighted_l1_on_pixels_and_edges() -> None:
    made, true = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 5, 4)
    weight = 1 + torch.rand(2, 1, 5, 4)
    error = (made - true).tolist()
    sums = {"pixel": [0.0, 0.0], "vertical": [0.0, 0.0], "horizontal": [0.0, 0.0]}
    for b, y, x in product(range(2), range(5), range(4)):
        here = float(weight[b, 0, y, x])
        for kind, dy, dx in (("pixel", 0, 0), ("vertical", 1, 0), ("horizontal", 0, 1)):
            if y < dy or x < dx:
                continue
            share = min(here, float(weight[b, 0, y - dy, x - dx]))
            sums[kind][1] += share
            for c in range(3):
                before = error[b][c][y - dy][x - dx] if kind != "pixel" else 0.0
                sums[kind][0] += share * abs(error[b][c][y][x] - before) / 3
    pixel, vertical, horizontal = (total / norm for total, norm in sums.values())
    expected = pixel + 0.7 * (vertical + horizontal)
    assert float(reconstruction_loss(made, true, weight, 0.7)) == pytest.approx(expected, rel=1e-4)


def test_with_squares_a_rare_mark_moves_what_is_drawn_and_without_them_it_does_not() -> None:
    """Of ten pictures that look alike two have a white mark: the median has none, the mean has a fifth of it."""
    true = torch.full((10, 3, 2, 2), -1.0)
    true[:2] = 1.0
    weight = torch.ones(10, 1, 2, 2)

    def best(square_weight: float) -> float:
        tried = torch.linspace(-1, 1, 201)
        losses = [
            float(reconstruction_loss(value.expand_as(true), true, weight, 0.0, square_weight))
            for value in tried
        ]
        return float(tried[int(np.argmin(losses))])

    assert best(0.0) == -1.0
    # where the derivative of 0.8 (x + 1) + 0.2 (1 - x) + w (0.8 (x + 1)^2 + 0.2 (1 - x)^2) is zero
    assert best(2.0) == pytest.approx(-0.6 - 0.3 / 2, abs=0.011)
