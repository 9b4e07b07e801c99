"""What a family hands to the training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor, nn


class Stage(Protocol):
    """What a family hands to the loop: one module with everything that is trained, and its loss."""

    name: str
    module: nn.Module

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of `size` examples from place `first` of the endless shuffled run; "loss" is minimised."""

    def validate(self) -> dict[str, float]:
        """Deterministic losses on the held-out part: fixed noise, fixed timesteps."""

    def sheet(self) -> Image.Image:
        """A page of samples to look at."""


@dataclass(frozen=True)
class Turn:
    """What an optimiser of its own changes, and the loss that it goes by, as `Stage.loss`.

    The loop takes the turns of a stage one after another at every step, on the same examples.
    """

    name: str
    module: nn.Module
    loss: Callable[[int, int, int, torch.Generator], dict[str, Tensor]]


@runtime_checkable
class TurnTaking(Protocol):
    """A stage whose networks learn against each other; its `loss` is not called. `averaged` is the part of its module
    that a moving average is kept of."""

    averaged: nn.Module

    def turns(self) -> Sequence[Turn]:
        """Whose turn it is, in order; no turn's loss may leave gradients to what another changes."""


def turns_of(stage: Stage) -> Sequence[Turn]:
    """Whose turn it is at each step of a stage: most have one, without a name."""
    return stage.turns() if isinstance(stage, TurnTaking) else (Turn("", stage.module, stage.loss),)
