"""What several processes share out among themselves: each keeps some of it, and all are told what changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed
from torch import Tensor


def shares(sizes: Sequence[int], processes: int) -> list[int]:
    """Which process takes each of several things, so that all take about as much: the largest first."""
    held, owners = [0] * processes, [0] * len(sizes)
    for at in sorted(range(len(sizes)), key=lambda at: -sizes[at]):
        owners[at] = held.index(min(held))
        held[owners[at]] += sizes[at]
    return owners


def spread(tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
    """Give every process each tensor as its owner has it, in place."""
    for tensor, owner in zip(tensors, owners, strict=True):
        torch.distributed.broadcast(tensor, owner)


@torch.no_grad()
def brought(own: Tensor | None, like: Tensor, owner: int, number: int) -> Tensor | None:
    """A tensor of its owner, on the CPU of the first process; None in the others. All of them call this.

    `own` is the tensor where `number`, this process, is the owner; `like` has its shape in every process.
    """
    sent = torch.empty_like(like)  # in the same order of memory everywhere
    if own is not None:
        sent.copy_(own)
    torch.distributed.broadcast(sent, owner)
    return sent.cpu() if number == 0 else None
