"""Small things to learn in every way that a recipe knows: for tests in one process and in several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from peft import LoraConfig, inject_adapter_in_model

from limner.training.recipe import Optimisation
from limner.training.stage import Stage
from tests.training.test_loop import Line, recipe
from tests.training.test_turns import Duel
from tests.training.test_turns import recipe as duel


class Adapted(Line):
    """The line by LoRA."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(stop_at)
        self.module = inject_adapter_in_model(LoraConfig(r=2, target_modules=["0", "3"]), self.module)


class _Made(Protocol):
    def __call__(self, stop_at: int | None = None) -> Stage: ...


LEARNERS: Mapping[str, tuple[_Made, Callable[..., Optimisation]]] = {
    "all weights": (Line, recipe),
    "adafactor": (Line, lambda **changed: recipe(optimizer="adafactor", learning_rate=1e-2, **changed)),
    "lora": (Adapted, recipe),
    "turns": (Duel, duel),
}
