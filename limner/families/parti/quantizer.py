"""Vector quantisation with factorised, l2-normalised codes (Yu et al. 2022, ViT-VQGAN, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_MEMORY = 0.95


@dataclass(frozen=True)
class Quantised:
    """`vectors` (B, N, C) of unit length became `codes` (B, N, C), which pass gradients; `tokens` (B, N) number them.

    What is lost: the distance of the codes to the vectors, and of the vectors to the codes.
    """

    codes: Tensor
    tokens: Tensor
    vectors: Tensor
    codebook_loss: Tensor
    commitment_loss: Tensor


class Quantizer(nn.Module):
    """A codebook: each vector becomes the code that points most nearly in its direction."""

    used: Tensor

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.codebook = nn.Embedding(codes, width)
        nn.init.normal_(self.codebook.weight)
        self.register_buffer("used", torch.zeros(codes))

    def directions(self) -> Tensor:
        """All codes, of unit length: (K, C) float32."""
        return functional.normalize(self.codebook.weight.float(), dim=-1)

    def forward(self, vectors: Tensor) -> Quantised:
        """Quantise vectors (B, N, C) of any length.

        Both losses are squared distances, averaged over the C numbers; the codes pass gradients straight through.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            vectors, directions = functional.normalize(vectors.float(), dim=-1), self.directions()
            tokens = (vectors.detach() @ directions.detach().T).argmax(-1)
            chosen = functional.embedding(tokens, directions)
            return Quantised(
                vectors + (chosen - vectors).detach(),
                tokens,
                vectors,
                (chosen - vectors.detach()).square().mean(),
                (vectors - chosen.detach()).square().mean(),
            )

    def looked_up(self, tokens: Tensor) -> Tensor:
        """The codes (B, N, C) of tokens (B, N)."""
        return functional.embedding(tokens, self.directions())

    @torch.no_grad()
    def observe(self, tokens: Tensor) -> None:
        """Count how often each code is used: a moving average of shares in `used`."""
        counts = torch.bincount(tokens.flatten(), minlength=len(self.used)).to(self.used)
        self.used.mul_(_MEMORY).add_(counts / tokens.numel(), alpha=1 - _MEMORY)

    @torch.no_grad()
    def revive(self, quantised: Quantised, least: float) -> int:
        """Move codes used less than `least` times their even share to vectors at random; gives how many.

        The farther a vector is from its code, the likelier it is taken (Arthur and Vassilvitskii 2007, "k-means++"):
        not only the background, of which there is most, gets codes. At first all are moved, for none has been used:
        codes begin where vectors are. Where several processes train, all take what the first one chose.
        """
        even = 1 / len(self.used)
        dead = torch.nonzero(self.used < least * even).flatten()
        there = quantised.vectors.detach().flatten(0, 1)
        far = (there - quantised.codes.detach().flatten(0, 1)).square().sum(1).clamp(min=1e-6)
        dead = dead[: len(there)]
        if len(dead):
            chosen = torch.multinomial(far, len(dead))
            self.codebook.weight[dead] = there[chosen].to(self.codebook.weight)
            self.used[dead] = even
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for kept in (self.codebook.weight, self.used):
                torch.distributed.broadcast(kept, 0)
        return len(dead)


def perplexity(shares: Tensor) -> float:
    """How many codes would be used, were all used alike: exp of the entropy of shares (K,), which sum to about 1."""
    shares = shares.double() / shares.double().sum()
    return float(torch.exp(-(shares * shares.clamp(min=1e-12).log()).sum()))
