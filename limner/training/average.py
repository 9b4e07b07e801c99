"""The moving average of what is trained: diffusers' EMAModel, or nothing where a recipe wants none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import nn

_POWER = 0.75


class MovingAverage:
    """An average of parameters that follows them by `decay`, after a warm-up; with decay 0 there is none.

    It lies where the parameters do, or in the CPU's memory with `on_cpu`.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float, on_cpu: bool = False) -> None:
        self._on_cpu = on_cpu
        self._model = (
            EMAModel(self._here(parameters), decay=decay, use_ema_warmup=True, power=_POWER)
            if decay
            else None
        )

    def _here(self, parameters: Sequence[nn.Parameter]) -> list[torch.Tensor]:
        if not self._on_cpu:
            return list(parameters)
        return [p.detach().cpu().requires_grad_() for p in parameters]

    def step(self, parameters: Sequence[nn.Parameter]) -> None:
        """Follow the parameters after a step of the optimiser."""
        if self._model:
            self._model.step(self._here(parameters))

    def copy_to(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give the parameters their averages."""
        if self._model:
            self._model.copy_to(parameters)

    @contextmanager
    def in_place(self, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
        """Within it the parameters have their averages."""
        if not self._model:
            yield
            return
        self._model.store(parameters)
        self._model.copy_to(parameters)
        try:
            yield
        finally:
            self._model.restore(parameters)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self._model.state_dict() if self._model else {}

    def load_state_dict(self, state: dict[str, Any], parameters: Sequence[nn.Parameter]) -> None:
        """Go on from a checkpoint, beside these parameters."""
        if self._model and state:
            self._model.load_state_dict(state)
            self._model.to("cpu" if self._on_cpu or not len(parameters) else parameters[0].device)
