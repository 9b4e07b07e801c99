"""Stages whose networks learn against each other: each optimiser has its turn, and resuming is as exact as without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from limner.errors import Cancelled, LimnerError
from limner.training.loop import Loop
from limner.training.recipe import Optimisation
from limner.training.stage import Turn
from tests.training.interrupting import press_ctrl_c


class Duel:
    """One network says numbers, and another says how wrong they are: the first learns from the second's gradient."""

    name = "duel"

    def __init__(self, stop_at: int | None = None) -> None:
        torch.manual_seed(3)
        self.critic, self.maker = (
            nn.Linear(1, 1),
            nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.2), nn.Linear(4, 1)),
        )
        self.module: nn.Module = nn.ModuleDict({"critic": self.critic, "maker": self.maker})
        self.averaged: nn.Module = self.maker
        self.stop_at = stop_at
        self.calls: list[tuple[str, int, int, float]] = []

    def turns(self) -> Sequence[Turn]:
        return Turn("critic", self.critic, self._judge), Turn("maker", self.maker, self._please)

    def _noted(self, name: str, step: int, first: int, size: int, generator: torch.Generator) -> Tensor:
        noise = torch.randn(size, 2, generator=generator)
        self.calls.append((name, step, first, float(noise.sum())))
        return noise

    def _judge(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        if step == self.stop_at:
            self.stop_at = None  # once, of however many parts
            press_ctrl_c()
        noise = self._noted("critic", step, first, size, generator)
        made = self.maker(noise).detach()
        return {"loss": (self.critic(made) - (made - 2).square()).square().mean()}

    def _please(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        noise = self._noted("maker", step, first, size, generator)
        self.critic.requires_grad_(False)
        loss = self.critic(self.maker(noise)).mean()
        self.critic.requires_grad_(True)
        return {"loss": loss, "height": loss}

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        raise AssertionError("turns are taken instead")

    def validate(self) -> dict[str, float]:
        return {}

    def sheet(self) -> Image.Image:
        return Image.new("RGB", (2, 2))


def recipe(**changed: object) -> Optimisation:
    values = {
        "steps": 12, "batch_size": 8, "warmup": 2, "precision": "float32", "ema_decay": 0.9, "beta1": 0.5,
        "learning_rate": 1e-2, "checkpoint_every": 5, "validate_every": 0, "sheet_every": 0,
    }  # fmt: skip
    return Optimisation.model_validate(values | changed)


def _weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_turns_are_taken_in_order_on_the_same_examples(tmp_path: Path) -> None:
    stage = Duel()
    before = _weights(stage.critic), _weights(stage.maker)
    Loop(stage, recipe(accumulation=2, steps=3), 7, tmp_path).run()
    assert [name for name, *_ in stage.calls] == ["critic", "critic", "maker", "maker"] * 3
    for k in range(0, len(stage.calls), 4):
        assert [call[1:] for call in stage.calls[k : k + 2]] == [
            call[1:] for call in stage.calls[k + 2 : k + 4]
        ]
    assert not torch.equal(before[0], _weights(stage.critic))
    assert not torch.equal(before[1], _weights(stage.maker))


def test_an_interrupted_duel_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, again = Duel(), Duel()
    Loop(whole, recipe(), 7, tmp_path / "whole").run()
    with pytest.raises(Cancelled, match="saved at step 8 of 12"):
        Loop(Duel(stop_at=7), recipe(), 7, tmp_path / "cut").run()
    Loop(again, recipe(), 7, tmp_path / "cut").run(resume=True)
    assert torch.equal(_weights(whole.module), _weights(again.module))


def test_the_average_is_kept_of_its_part_alone(tmp_path: Path) -> None:
    stage = Duel()
    Loop(stage, recipe(), 7, tmp_path).run()
    kept = torch.load(tmp_path / "checkpoints" / "000000012" / "state.pt", weights_only=True)
    last = kept["module"]
    assert torch.equal(last["critic.weight"], stage.critic.weight)
    assert not torch.equal(last["maker.0.weight"], stage.maker.state_dict()["0.weight"])
    assert len(kept["ema"]["shadow_params"]) == len(list(stage.maker.parameters()))
    assert {key for key in kept if key.startswith("optimizer")} == {"optimizer critic", "optimizer maker"}


def test_a_loss_that_is_not_finite_names_whose_it_is(tmp_path: Path) -> None:
    class Broken(Duel):
        def _please(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
            return {
                "loss": _weights(self.maker).sum() * 0 + next(self.maker.parameters()).sum() * float("inf")
            }

    with pytest.raises(LimnerError, match=r"maker: loss -?inf|maker: loss nan"):
        Loop(Broken(), recipe(), 0, tmp_path).run()
