"""Optimisers: their rate over time, what they let decay, and how several processes share what they remember."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer

from .recipe import Optimisation

_FUSED = "fused"  # of AdamW: one call for all parameters; a state that is shared keeps its counts elsewhere


def learning_rate(recipe: Optimisation, step: int) -> float:
    """The rate of optimiser step `step` (from 0): linear warm-up, then half a cosine to the final rate."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    share = recipe.final_rate + (1 - recipe.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return recipe.learning_rate * share


def optimizer(module: nn.Module, recipe: Optimisation, processes: int) -> torch.optim.Optimizer:
    """The recipe's optimiser of what a module learns.

    Of several processes each keeps the state of its share of the parameters and changes those alone, then all tell one
    another (ZeRO, stage 1: Rajbhandari et al. 2020). What is learned is the same.
    """
    groups = _groups(module, recipe.weight_decay)
    kind: type[torch.optim.Optimizer] = torch.optim.AdamW
    options: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "betas": (recipe.beta1, recipe.beta2),
        _FUSED: processes == 1,
    }
    if recipe.optimizer == "adafactor":
        kind, options = torch.optim.Adafactor, {"lr": recipe.learning_rate, "eps": (None, 1e-3)}
    if processes == 1:
        return kind(groups, **options)
    return ZeroRedundancyOptimizer(groups, optimizer_class=kind, **options)


def whole_state(made: torch.optim.Optimizer, main: bool) -> dict[str, Any]:
    """The state of an optimiser with every process's share, as one that is not shared has it.

    All processes call this; only the `main` one is given anything.
    """
    if isinstance(made, ZeroRedundancyOptimizer):
        made.consolidate_state_dict(to=0)
    return made.state_dict() if main else {}


def take_state(made: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on from a state as `whole_state` gives it, in however many processes it was made."""
    fused = not isinstance(made, ZeroRedundancyOptimizer)
    groups = [group | ({_FUSED: fused} if _FUSED in group else {}) for group in state["param_groups"]]
    made.load_state_dict(state | {"param_groups": groups})


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that are trained, in order."""
    return [p for p in module.parameters() if p.requires_grad]


def _groups(module: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels alone, not for norms, biases and embeddings."""
    embeddings = {id(p) for m in module.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    trained = trainable(module)
    decayed = [p for p in trained if p.ndim > 1 and id(p) not in embeddings]
    chosen = {id(p) for p in decayed}
    rest = [p for p in trained if id(p) not in chosen]
    return [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
