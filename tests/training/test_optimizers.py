"""What an optimiser does where no gradient asks for anything."""

from __future__ import annotations

import torch
from torch import nn

from limner.training.optimizers import Optimizer
from limner.training.recipe import Optimisation


def test_matrices_and_kernels_decay_and_embeddings_norms_and_biases_stay() -> None:
    module = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3), nn.LayerNorm(3), nn.Conv2d(1, 2, 3))
    before = {}
    for name, weight in module.named_parameters():
        nn.init.normal_(weight, generator=torch.Generator().manual_seed(0))
        before[name], weight.grad = weight.detach().clone(), torch.zeros_like(weight)
    Optimizer(module, Optimisation(steps=1, weight_decay=0.2)).step(0.5)
    for name, weight in module.named_parameters():
        share = 1 - 0.5 * 0.2 if name in ("1.weight", "3.weight") else 1.0
        torch.testing.assert_close(weight.detach(), share * before[name])
        assert weight.grad is None
