"""The two towers of a matcher: a picture, or the words of a text, to one vector in the same space.

Pictures go through convolutions, which learn flat drawings from thousands of pictures where CLIP's patches need
millions, and then through a few layers of attention over what is left of them; texts through attention over their
words. Attention is CLIP's: norms before each half of a layer (Radford et al. 2021, section 2.4).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .shape import Shape

_GROUP = 16  # channels to a group of a norm, at least
_BEGIN = 0.02
MAX_SCALE = 100.0


class Attention(nn.Module):
    """One layer: (B, T, D) -> (B, T, D); with `mask` bool (B, T) only places where it holds are looked at."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        rows, places, width = x.shape
        split = self.into(self.norm(x)).reshape(rows, places, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, T, D / heads)
        seen = None if mask is None else mask[:, None, None]
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.out(found.transpose(1, 2).reshape(rows, places, width))
        changed: Tensor = self.narrow(functional.gelu(self.wide(self.norm2(x))))
        return x + changed


class Residual(nn.Module):
    """Two convolutions beside what they change: (B, C, h, w) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = _norm(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.norm2(self.second(functional.relu(self.norm(self.first(x))))))


def _norm(channels: int) -> nn.GroupNorm:
    groups = max(
        g for g in range(1, channels + 1) if channels % g == 0 and channels // g >= min(_GROUP, channels)
    )
    return nn.GroupNorm(groups, channels)


def _halving(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), _norm(after), nn.ReLU())


class ImageTower(nn.Module):
    """Pictures (B, 3, side, side) in -1..1 to vectors (B, width), not yet of length 1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        first, last = shape.channels[0], shape.channels[-1]
        parts: list[nn.Module] = [_halving(3, max(1, first // 2)), _halving(max(1, first // 2), first)]
        before = first
        for number, channels in enumerate(shape.channels):
            if number:
                parts.append(_halving(before, channels))
            parts.append(Residual(channels))
            before = channels
        self.trunk = nn.Sequential(*parts)
        self.places = nn.Parameter(torch.randn(shape.places**2, last) * _BEGIN)
        self.layers = nn.ModuleList(Attention(last, shape.heads) for _ in range(shape.image_layers))
        self.norm = nn.LayerNorm(last)
        self.out = nn.Linear(last, shape.width, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.trunk(pictures).flatten(2).transpose(1, 2) + self.places  # (B, places, C)
        for layer in self.layers:
            x = layer(x)
        found: Tensor = self.out(self.norm(x).mean(1))
        return found


class TextTower(nn.Module):
    """Word ids int64 (B, tokens), ended and filled up by 0, to vectors (B, width), not yet of length 1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.text_width)
        self.places = nn.Parameter(torch.randn(shape.tokens, shape.text_width) * _BEGIN)
        self.layers = nn.ModuleList(
            Attention(shape.text_width, shape.heads) for _ in range(shape.text_layers)
        )
        self.norm = nn.LayerNorm(shape.text_width)
        self.out = nn.Linear(shape.text_width, shape.width, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, ids: Tensor) -> Tensor:
        here = functional.pad(ids[:, :-1] != 0, (1, 0), value=True)  # the words, and the first 0 after them
        x = self.embedding(ids) + self.places
        for layer in self.layers:
            x = layer(x, here)
        shares = here.to(x.dtype) / here.sum(1, keepdim=True)
        found: Tensor = self.out((self.norm(x) * shares[:, :, None]).sum(1))
        return found


class MatcherNetwork(nn.Module):
    """Both towers and the scale of their cosines, learned as its logarithm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.image, self.text = ImageTower(shape), TextTower(shape)
        self.log_scale = nn.Parameter(torch.tensor(math.log(shape.scale)))

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied with; at most 100, as CLIP's."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)
