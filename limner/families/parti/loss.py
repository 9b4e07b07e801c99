"""What the networks of tokens lose: features of fixed random convolutions, and the next token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_CHANNELS = (16, 32, 64)
_SEED = 7


class RandomFeatures(nn.Module):
    """A perceptual loss that needs no download: L1 between features of convolutions with fixed random kernels.

    What an untrained stack sees at three sizes already tells shapes from smears (Ulyanov et al. 2018; Amir and Weiss
    2021, "Understanding and simplifying perceptual distances"). Kernels are the same in every training.
    """

    def __init__(self) -> None:
        super().__init__()
        generator, before = torch.Generator().manual_seed(_SEED), 3
        for k, channels in enumerate(_CHANNELS):
            kernel = torch.empty(channels, before, 3, 3)
            nn.init.orthogonal_(kernel, generator=generator)
            self.register_buffer(f"kernel_{k}", kernel * 2**0.5, persistent=False)
            before = channels

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in -1..1."""
        with torch.no_grad():
            goals = self._seen(true)
        pairs = zip(self._seen(made), goals, strict=True)
        each = [(mine - goal).abs().mean() / goal.abs().mean().clamp(min=1e-4) for mine, goal in pairs]
        return torch.stack(each).mean()

    def _seen(self, states: Tensor) -> list[Tensor]:
        """Features of pictures at each size."""
        found = []
        for k in range(len(_CHANNELS)):
            states = functional.relu(functional.conv2d(states, self.get_buffer(f"kernel_{k}"), padding=1))
            found.append(states.float())
            states = functional.avg_pool2d(states, 2)
        return found


def token_loss(scores: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of tokens (B, N) by scores (B, N, K), weighted (B, N); in nats a token."""
    each = functional.cross_entropy(scores.float().flatten(0, 1), tokens.flatten(), reduction="none")
    return (each * weight.flatten()).sum() / weight.sum()
