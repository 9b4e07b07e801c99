"""The generator: conditioning augmentation, a first picture, and stages that attend to the words (section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Gate, Residual, Up, conv, initialise
from .shape import Shape

_FIRST_SIDE = 4


@dataclass(frozen=True)
class Made:
    """What the generator gives for B texts.

    `pictures` (B, 3, side, side) in -1..1, smallest first; `attention` (B, T, side, side) for each but the first: how
    much each place of the picture before it looks at each word, summing to 1 over words; `mean` and `logvar`
    (B, condition) are the conditioning augmentation's.
    """

    pictures: list[Tensor]
    attention: list[Tensor]
    mean: Tensor
    logvar: Tensor


class Conditioning(nn.Module):
    """Conditioning augmentation (Zhang et al. 2017): a sentence to the mean and log-variance of its condition."""

    def __init__(self, text_width: int, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(text_width, 4 * condition)

    def forward(self, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) to two of (B, condition)."""
        mean, logvar = functional.glu(self.linear(sentence), dim=1).chunk(2, 1)
        return mean, logvar


class WordAttention(nn.Module):
    """Each place of a picture looks for the words that it is about (equations 2 and 3)."""

    def __init__(self, channels: int, text_width: int) -> None:
        super().__init__()
        self.project = conv(text_width, channels, 1)

    def forward(self, state: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """State (B, C, h, w), words (B, D, T) and mask bool (B, T) to context (B, C, h, w) and maps (B, T, h, w)."""
        batch, channels, h, w = state.shape
        keys = self.project(words.unsqueeze(3)).squeeze(3)  # (B, C, T)
        scores = state.flatten(2).transpose(1, 2) @ keys  # (B, h w, T)
        # One row of the mask for all places of its own picture.
        scores = scores.masked_fill(~mask[:, None, :], torch.finfo(scores.dtype).min)
        share = scores.softmax(2).transpose(1, 2)  # (B, T, h w)
        context = (keys @ share).reshape(batch, channels, h, w)
        return context, share.reshape(batch, -1, h, w)


class First(nn.Module):
    """Condition and noise to the state of the first picture."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        wide = shape.channels * 2**shape.doublings
        self.wide = wide
        self.linear = nn.Linear(shape.condition + shape.noise, 2 * wide * _FIRST_SIDE**2, bias=False)
        self.norm = nn.BatchNorm1d(2 * wide * _FIRST_SIDE**2)
        self.gate = Gate()
        self.up = nn.ModuleList(Up(wide // 2**k, wide // 2 ** (k + 1)) for k in range(shape.doublings))

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """(B, condition) and (B, noise) to (B, C, side, side)."""
        state = self.gate(self.norm(self.linear(torch.cat([condition, noise], 1))))
        state = state.reshape(-1, self.wide, _FIRST_SIDE, _FIRST_SIDE)
        for up in self.up:
            state = up(state)
        drawn: Tensor = state
        return drawn


class Next(nn.Module):
    """A state and the words to the state of a picture of twice the side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels = shape.channels
        self.attention = WordAttention(channels, shape.text_width)
        self.residual = nn.Sequential(*(Residual(2 * channels) for _ in range(shape.residuals)))
        self.up = Up(2 * channels, channels)

    def forward(self, state: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) to (B, C, 2 h, 2 w), and the maps (B, T, h, w)."""
        context, maps = self.attention(state, words, mask)
        wider: Tensor = self.up(self.residual(torch.cat([state, context], 1)))
        return wider, maps


class Generator(nn.Module):
    """Words, sentence and noise to pictures of every size, in one pass."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.conditioning = Conditioning(shape.text_width, shape.condition)
        self.first = First(shape)
        self.next = nn.ModuleList(Next(shape) for _ in range(shape.stages - 1))
        self.heads = nn.ModuleList(conv(shape.channels, 3) for _ in range(shape.stages))
        initialise(self)

    def forward(self, words: Tensor, sentence: Tensor, mask: Tensor, noise: Tensor, further: Tensor) -> Made:
        """Draw: words (B, D, T), sentence (B, D), mask bool (B, T), noise (B, noise), and the noise (B, condition)
        of the conditioning augmentation."""
        mean, logvar = self.conditioning(sentence)
        state = self.first(mean + further * (0.5 * logvar).exp(), noise)
        pictures, attention = [torch.tanh(self.heads[0](state))], []
        for stage, head in zip(self.next, self.heads[1:], strict=True):
            state, maps = stage(state, words, mask)
            pictures.append(torch.tanh(head(state)))
            attention.append(maps)
        return Made(pictures, attention, mean, logvar)
