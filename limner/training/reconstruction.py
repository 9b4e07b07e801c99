"""How far a picture that was made is from the true one, as what decoders learn to make small."""

from __future__ import annotations

import torch
from torch import Tensor


def reconstruction_loss(
    made: Tensor, true: Tensor, weight: Tensor, edge_weight: float, square_weight: float = 0.0
) -> Tensor:
    """Weighted L1 on pixels and on the differences of neighbours (which keeps edges sharp), and the squared error of
    pixels, which moves them toward what is only likely.

    made, true: (B, 3, H, W) in -1..1; weight: (B, 1, H, W), positive.
    """
    error, edges = made - true, torch.zeros((), device=made.device)
    pixels = (weight * (error.abs() + square_weight * error.square())).mean() / weight.mean()
    for axis in (2, 3):
        both = torch.minimum(
            weight.narrow(axis, 1, weight.shape[axis] - 1), weight.narrow(axis, 0, weight.shape[axis] - 1)
        )
        edges = edges + (both * error.diff(dim=axis).abs()).mean() / both.mean()
    return pixels + edge_weight * edges
