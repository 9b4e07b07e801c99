"""The discriminators: one for each size of picture, each asked with and without the sentence (equation 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import initialise, leaky
from .shape import Shape

_LAST_SIDE = 4


class Discriminator(nn.Module):
    """A picture to 4 x 4 features, and those to scores (logits) of being real, and of being real and of a sentence.

    `doublings` are those of the first stage and `stage` counts from 0: every later stage halves its picture once more
    and narrows its features once more, so that all end as wide.
    """

    def __init__(self, channels: int, text_width: int, doublings: int, stage: int) -> None:
        super().__init__()
        halvings, width = doublings + stage, channels * 2 ** (doublings - 1)
        parts: list[nn.Module] = [leaky(3, channels, 4, 2, norm=False)]
        parts += [leaky(channels * 2**k, channels * 2 ** (k + 1), 4, 2) for k in range(halvings - 1)]
        parts += [leaky(width * 2 ** (k + 1), width * 2**k) for k in reversed(range(stage))]
        self.features = nn.Sequential(*parts)
        self.alone = nn.Conv2d(width, 1, _LAST_SIDE)
        self.joined = leaky(width + text_width, width)
        self.told = nn.Conv2d(width, 1, _LAST_SIDE)
        initialise(self)

    def real(self, features: Tensor) -> Tensor:
        """Scores (B,) of features (B, C, 4, 4), whatever was said."""
        score: Tensor = self.alone(features).flatten()
        return score

    def real_and_said(self, features: Tensor, sentence: Tensor) -> Tensor:
        """Scores (B,) of features (B, C, 4, 4) with sentences (B, D)."""
        beside = sentence[:, :, None, None].expand(-1, -1, *features.shape[2:])
        score: Tensor = self.told(self.joined(torch.cat([features, beside], 1))).flatten()
        return score

    def forward(self, picture: Tensor) -> Tensor:
        """Pictures (B, 3, side, side) in -1..1 to features (B, C, 4, 4)."""
        features: Tensor = self.features(picture)
        return features


def discriminators(shape: Shape, channels: int = 64) -> nn.ModuleList:
    """One for each picture of a generator, smallest first; 64 channels are the published width."""
    return nn.ModuleList(
        Discriminator(channels, shape.text_width, shape.doublings, stage) for stage in range(shape.stages)
    )
