"""The blocks that AttnGAN's networks are built of, and how their weights begin."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2


class Gate(nn.Module):
    """Gated linear unit (Dauphin et al. 2017): one half of the channels, each times the sigmoid of one of the other."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2 C, ...) to (B, C, ...)."""
        return functional.glu(x, dim=1)


def conv(into: int, out: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the sides, or divides them by an even kernel's `stride`."""
    return nn.Conv2d(into, out, kernel, stride, (kernel - 1) // 2, bias=bias)


class Up(nn.Module):
    """Twice the sides: nearest neighbour, convolution, batch norm, gate."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = conv(into, 2 * out)
        self.norm = nn.BatchNorm2d(2 * out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, into, h, w) to (B, out, 2 h, 2 w)."""
        wide: Tensor = self.norm(self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest")))
        return functional.glu(wide, dim=1)


class Residual(nn.Module):
    """Two convolutions whose result is added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(channels, 2 * channels), nn.BatchNorm2d(2 * channels)
        self.conv2, self.norm2 = conv(channels, channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same."""
        inner = functional.glu(self.norm1(self.conv1(x)), dim=1)
        changed: Tensor = self.norm2(self.conv2(inner))
        return x + changed


def leaky(into: int, out: int, kernel: int = 3, stride: int = 1, norm: bool = True) -> nn.Sequential:
    """Convolution, batch norm, leaky ReLU; with kernel 4 and stride 2 the sides are halved."""
    parts = [conv(into, out, kernel, stride), *([nn.BatchNorm2d(out)] if norm else [])]
    return nn.Sequential(*parts, nn.LeakyReLU(_SLOPE))


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Orthogonal kernels and matrices, batch norm scales of 1 +- 0.02, no bias: as the original begins."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
