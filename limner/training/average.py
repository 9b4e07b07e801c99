"""The moving average of what is trained: diffusers' EMAModel, or nothing where a recipe wants none.

Of several processes each keeps the averages of its share of the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from diffusers.training_utils import EMAModel
from torch import nn

from .sharing import brought, shares, spread

_POWER = 0.75
_T = TypeVar("_T")


class MovingAverage:
    """An average of parameters that follows them by `decay`, after a warm-up; with decay 0 there is none.

    It lies where the parameters do, or in the CPU's memory with `on_cpu`. `share` is the number of this process and
    how many there are; with more than one, all of them call what says so.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        decay: float,
        on_cpu: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._on_cpu, self._number = on_cpu, share[0]
        self._owners = shares([parameter.numel() for parameter in parameters], share[1])
        self._shared = share[1] > 1
        self._model = (
            EMAModel(self._here(parameters), decay=decay, use_ema_warmup=True, power=_POWER, foreach=True)
            if decay
            else None
        )

    def _own(self, each: Sequence[_T]) -> list[_T]:
        """Of one thing for each parameter those of the parameters whose average is kept here."""
        return [one for one, owner in zip(each, self._owners, strict=True) if owner == self._number]

    def _here(self, parameters: Sequence[nn.Parameter]) -> list[torch.Tensor]:
        own = self._own(parameters)
        return [p.detach().cpu().requires_grad_() for p in own] if self._on_cpu else list(own)

    def step(self, parameters: Sequence[nn.Parameter]) -> None:
        """Follow the parameters after a step of the optimiser."""
        if self._model:
            self._model.step(self._here(parameters))

    def copy_to(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give the parameters their averages, in every process."""
        if self._model:
            self._model.copy_to(self._own(parameters))
            if self._shared:
                spread([parameter.data for parameter in parameters], self._owners)

    @contextmanager
    def in_place(self, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
        """Within it the parameters have their averages, in every process."""
        if not self._model:
            yield
            return
        self._model.store(parameters)
        self.copy_to(parameters)
        try:
            yield
        finally:
            self._model.restore(parameters)

    def state_dict(self, parameters: Sequence[nn.Parameter]) -> dict[str, Any]:
        """What a checkpoint keeps, with every process's share, in the first of them."""
        if not self._model or not self._shared:
            return self._model.state_dict() if self._model else {}
        own = iter(self._model.shadow_params)
        averages = [
            brought(next(own) if owner == self._number else None, parameter, owner, self._number)
            for parameter, owner in zip(parameters, self._owners, strict=True)
        ]
        state: dict[str, Any] = self._model.state_dict() | {"shadow_params": averages}
        return state

    def load_state_dict(self, state: dict[str, Any], parameters: Sequence[nn.Parameter]) -> None:
        """Go on from a checkpoint, beside these parameters."""
        if self._model and state:
            self._model.load_state_dict(state | {"shadow_params": self._own(state["shadow_params"])})
            self._model.to("cpu" if self._on_cpu or not len(parameters) else parameters[0].device)
