"""The transformer layers that all networks are made of (Vaswani et al. 2017), with the norm before each part.

Attention is plain products where there is no GPU: torch's fused one is slow backwards there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .planning import TOLD

HIDDEN = -1e4
"""Added to the score of what must not be seen; a number that half precision has."""
_BEGIN = 0.02
_TOLD_WIDTH = 128


class Attention(nn.Module):
    """Multi-head attention whose keys and values may be kept.

    Keys and values come from one product, and nothing has a bias: small products cost a CPU most.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def _split(self, states: Tensor) -> Tensor:
        rows, count, _ = states.shape
        return states.reshape(rows, count, self.heads, -1).transpose(1, 2)  # (B, heads, T, head)

    def kept(self, memory: Tensor) -> Tensor:
        """Keys and values of a memory (B, T, D): (B, 2, heads, T, D / heads)."""
        return torch.stack(self._keys_values(memory), 1)

    def _keys_values(self, memory: Tensor) -> list[Tensor]:
        return [self._split(each) for each in self.key_value(memory).chunk(2, -1)]

    def forward(self, states: Tensor, memory: Tensor, bias: Tensor | None = None) -> Tensor:
        """States (B, N, D) that have looked at a memory (B, T, D).

        `bias` is added to the scores: it broadcasts to (B, heads, N, T).
        """
        query = self._split(self.query(states))
        key, value = self._keys_values(memory)
        if states.is_cuda:
            bias = None if bias is None else bias.to(query.dtype)
            seen = functional.scaled_dot_product_attention(query, key, value, bias)
        else:
            seen = self._weights(query, key, bias) @ value
        return self._joined(seen)

    def look(self, states: Tensor, kept: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same with keys and values that were `kept`, and how much each looked where: (B, heads, N, T)."""
        weights = self._weights(self._split(self.query(states)), kept[:, 0], bias)
        return self._joined(weights @ kept[:, 1]), weights

    def grow(self, states: Tensor, kept: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """One further state (B, 1, D) that looks at those `kept`, (B, 2, heads, T, head), and at itself.

        Gives it, and its own key and value (B, 2, heads, head). The kept ones are not copied.
        """
        own = self.kept(states)  # (B, 2, heads, 1, head)
        query = self._split(self.query(states)) * self.scale  # (B, heads, 1, head)
        scores = query @ kept[:, 0].transpose(-1, -2) + bias  # (B, heads, 1, T)
        to_itself = (query * own[:, 0]).sum(-1, keepdim=True)
        weights = torch.cat([scores, to_itself], -1).softmax(-1)
        seen = weights[..., :-1] @ kept[:, 1] + weights[..., -1:] * own[:, 1]
        return self._joined(seen), own[:, :, :, 0]

    def _weights(self, query: Tensor, key: Tensor, bias: Tensor | None) -> Tensor:
        scores: Tensor = (query * self.scale) @ key.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias.to(scores.dtype)
        return scores.softmax(-1)

    def _joined(self, seen: Tensor) -> Tensor:
        made: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return made


class Block(nn.Module):
    """One layer: attention to itself, to a memory where it has one, and a perceptron; each added to what came in."""

    def __init__(self, width: int, heads: int, mlp: int, cross: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.cross = Attention(width, heads) if cross else None
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp), nn.GELU(approximate="tanh"), nn.Linear(mlp, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: Tensor,
        bias: Tensor | None = None,
        memory: Tensor | None = None,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """States (B, N, D); `bias` is on looking at itself, `hidden` on looking at the memory (B, T, D)."""
        seen = self.norm(states)
        states = states + self.dropout(self.attention(seen, seen, bias))
        if self.cross is not None and self.cross_norm is not None and memory is not None:
            states = states + self.dropout(self.cross(self.cross_norm(states), memory, hidden))
        made: Tensor = states + self.dropout(self.mlp(self.mlp_norm(states)))
        return made

    def step(
        self, states: Tensor, kept: Tensor, bias: Tensor, memory: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One further state (B, 1, D), with what earlier ones and the memory have `kept`, (B, 2, heads, T, head) each.

        Gives it, its own key and value (B, 2, heads, head), and how it looked at the memory (B, heads, 1, T).
        """
        assert self.cross is not None and self.cross_norm is not None
        seen, own = self.attention.grow(self.norm(states), kept, bias)
        states = states + seen
        seen, looked = self.cross.look(self.cross_norm(states), memory, hidden)
        states = states + seen
        return states + self.mlp(self.mlp_norm(states)), own, looked


class Told(nn.Module):
    """What a plan tells of places, (B, N, TOLD), as wide as their states."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(TOLD, _TOLD_WIDTH), nn.Linear(_TOLD_WIDTH, width, bias=False)

    def forward(self, told: Tensor) -> Tensor:
        made: Tensor = self.second(functional.silu(self.first(told)))
        return made


def initialise(module: nn.Module, layers: int) -> None:
    """Small normal weights, no biases, and residual branches the smaller the more `layers` add up (GPT-2)."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            last = name.endswith((".out", ".mlp.2"))
            nn.init.normal_(part.weight, std=_BEGIN / math.sqrt(2 * layers) if last else _BEGIN)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
