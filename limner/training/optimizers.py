"""Optimisers: their rate over time, what they let decay, and how several processes share what they remember."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed
from torch import nn

from .recipe import Optimisation
from .sharing import brought, shares, spread


def learning_rate(recipe: Optimisation, step: int) -> float:
    """The rate of optimiser step `step` (from 0): linear warm-up, then half a cosine to the final rate."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    share = recipe.final_rate + (1 - recipe.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return recipe.learning_rate * share


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that are trained, in order."""
    return [p for p in module.parameters() if p.requires_grad]


class Optimizer:
    """The recipe's optimiser of what a module learns.

    `share` is the number of this process and how many there are. Each keeps the state of its share of the parameters
    and changes those alone, then all tell one another (ZeRO, stage 1: Rajbhandari et al. 2020): what is learned is the
    same. torch's ZeroRedundancyOptimizer does so too, but at each checkpoint it sends the whole state to every process.
    """

    def __init__(self, module: nn.Module, recipe: Optimisation, share: tuple[int, int] = (0, 1)) -> None:
        self._number, self._processes = share
        self._groups = _groups(module, recipe.weight_decay)
        self._all: list[nn.Parameter] = [p for group in self._groups for p in group["params"]]
        self._owners = shares([p.numel() for p in self._all], self._processes)
        self._own = [at for at, owner in enumerate(self._owners) if owner == self._number]
        mine = {id(self._all[at]) for at in self._own}
        own = [group | {"params": [p for p in group["params"] if id(p) in mine]} for group in self._groups]
        self._made: torch.optim.Optimizer
        if recipe.optimizer == "adafactor":
            self._made = torch.optim.Adafactor(own, recipe.learning_rate, eps=(None, 1e-3))
        else:
            betas = (recipe.beta1, recipe.beta2)
            self._made = torch.optim.AdamW(own, recipe.learning_rate, betas=betas, fused=True)

    def step(self, rate: float) -> None:
        """Change the parameters by their gradients, at this learning rate, and let go of the gradients."""
        for group in self._made.param_groups:
            group["lr"] = rate
        self._made.step()
        if self._processes > 1:
            spread([p.data for p in self._all], self._owners)
        for parameter in self._all:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The state for all parameters, as torch's optimisers give it, in the first process; the others get nothing.

        All processes call this.
        """
        state = self._made.state_dict()
        if self._processes == 1:
            return state
        kept = [state["state"].get(at, {}) for at in range(len(self._own))]
        whole = self._brought(dict(zip(self._own, kept, strict=True)))
        if self._number != 0:
            return {}
        groups, first = [], 0
        for known, group in zip(state["param_groups"], self._groups, strict=True):
            end = first + len(group["params"])
            groups.append(known | {"params": list(range(first, end))})
            first = end
        return {"state": whole, "param_groups": groups}

    def _brought(self, own: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """What each process keeps of its parameters, in the first one."""
        shapes = {at: {name: value.shape for name, value in kept.items()} for at, kept in own.items()}
        told: list[Any] = [None] * self._processes
        torch.distributed.all_gather_object(told, shapes)
        whole: dict[int, dict[str, Any]] = {}
        for at, (parameter, owner) in enumerate(zip(self._all, self._owners, strict=True)):
            for name, shape in told[owner].get(at, {}).items():
                here = own[at][name] if owner == self._number else None
                like = parameter if shape == parameter.shape else parameter.new_empty(shape)
                value = brought(here, like, owner, self._number)
                if value is not None:
                    whole.setdefault(at, {})[name] = value
        return whole

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state as `state_dict` gives it, in however many processes it was made."""
        kept = {k: state["state"][at] for k, at in enumerate(self._own) if at in state["state"]}
        own = self._made.state_dict()["param_groups"]
        groups = [
            known | {"params": here["params"]} for known, here in zip(state["param_groups"], own, strict=True)
        ]
        self._made.load_state_dict({"state": kept, "param_groups": groups})


def _groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels alone, not for norms, biases and embeddings."""
    embeddings = {id(p) for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    trained = trainable(module)
    decayed = [p for p in trained if p.ndim > 1 and id(p) not in embeddings]
    chosen = {id(p) for p in decayed}
    rest = [p for p in trained if id(p) not in chosen]
    return [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
