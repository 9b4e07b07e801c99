"""The image tokenizer (ViT-VQGAN): pictures to tokens and back, by transformers over patches.

With `convolutions` patches are made by a small stack of convolutions and drawn by its mirror image, which leaves no
seams between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Block, Told, initialise
from .planning import TOLD
from .quantizer import Quantised, Quantizer
from .shape import ImageTokens


class _Positions(nn.Module):
    """A learned vector for each row and each column, added to a grid of states (B, side * side, D)."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.rows, self.columns = (nn.Parameter(torch.randn(side, width) * 0.02) for _ in range(2))

    def forward(self, states: Tensor) -> Tensor:
        return states + (self.rows[:, None] + self.columns[None]).flatten(0, 1)


class _Half(nn.Module):
    """Transformer layers over a grid of states (B, N, D)."""

    def __init__(self, shape: ImageTokens) -> None:
        super().__init__()
        self.positions = _Positions(shape.side, shape.width)
        self.blocks = nn.ModuleList(Block(shape.width, shape.heads, shape.mlp) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, states: Tensor) -> Tensor:
        states = self.positions(states)
        for block in self.blocks:
            states = block(states)
        made: Tensor = self.norm(states)
        return made


class _Residual(nn.Module):
    """Two 3x3 convolutions added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.second.weight)

    def forward(self, states: Tensor) -> Tensor:
        made: Tensor = self.second(functional.silu(self.first(functional.silu(states))))
        return states + made


def _patches(shape: ImageTokens) -> nn.Module:
    """From pictures (B, 3, S, S) to states (B, D, side, side)."""
    if not shape.convolutions:
        return nn.Conv2d(3, shape.width, shape.patch, shape.patch)
    layers: list[nn.Module] = []
    before = 3
    for channels in shape.convolutions:
        # The gradient of a strided convolution takes ten times as long on a CPU.
        layers += [nn.PixelUnshuffle(2), nn.Conv2d(4 * before, channels, 3, padding=1), nn.SiLU()]
        before = channels
    return nn.Sequential(*layers, nn.Conv2d(before, shape.width, 1))


def _drawing(shape: ImageTokens) -> nn.Module:
    """From states (B, D, side, side) to pictures (B, 3, S, S)."""
    if not shape.convolutions:
        return nn.Sequential(nn.Conv2d(shape.width, 3 * shape.patch**2, 1), nn.PixelShuffle(shape.patch))
    layers: list[nn.Module] = []
    before = shape.width
    for channels in reversed(shape.convolutions):
        layers += [nn.Conv2d(before, 4 * channels, 1), nn.PixelShuffle(2), _Residual(channels)]
        before = channels
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(before, 3, 3, padding=1))


class ImageTokenizer(nn.Module):
    """Encoder, codebook and decoder, which may be told of a plan (`planned`)."""

    def __init__(self, shape: ImageTokens, planned: bool = False) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = _Half(shape), _Half(shape)
        self.narrow = nn.Linear(shape.width, shape.code_width, bias=False)
        # Without it all vectors soon point the same way, and one code serves for all (Lancucki et al. 2020).
        self.centre = nn.BatchNorm1d(shape.code_width, affine=False)
        self.wide = nn.Linear(shape.code_width, shape.width)
        initialise(self, shape.layers)
        nn.init.normal_(self.wide.weight, std=0.5)
        self.patches, self.drawing = _patches(shape), _drawing(shape)
        self.quantizer = Quantizer(shape.codes, shape.code_width)
        self.told: Told | None = None
        if planned:
            self.listen()

    def listen(self) -> None:
        """Let the decoder be told of plans: of nothing, until it learns to listen."""
        self.told = Told(self.shape.width)
        nn.init.zeros_(self.told.second.weight)

    def encode(self, pictures: Tensor) -> Quantised:
        """Pictures (B, 3, S, S) in -1..1 to codes and tokens (B, N), rows from the top, each from the left."""
        states = self.patches(pictures).flatten(2).transpose(1, 2)
        vectors = self.narrow(self.encoder(states)).float()
        made: Quantised = self.quantizer(self.centre(vectors.transpose(1, 2)).transpose(1, 2))
        return made

    def decode(self, codes: Tensor, told: Tensor | None = None) -> Tensor:
        """Codes (B, N, C) of unit length, and what a plan tells of each, (B, N, TOLD), to pictures (B, 3, S, S), about
        -1..1."""
        states = self.wide(codes)
        if self.told is not None and told is not None:
            states = states + self.told(told)
        states = self.decoder(states)
        made: Tensor = self.drawing(states.transpose(1, 2).unflatten(2, (self.shape.side, self.shape.side)))
        return made

    def decode_tokens(self, tokens: Tensor, told: Tensor | None = None) -> Tensor:
        """Tokens int64 (B, N), and what a plan tells of each, or nothing, to pictures (B, 3, S, S)."""
        if self.told is not None and told is None:
            told = torch.zeros(*tokens.shape, TOLD, device=tokens.device)
        return self.decode(self.quantizer.looked_up(tokens), told)
