"""How a LoRA is computed, against its definition and against what costs more."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from limner.families.diffusion.lora_layers import ADAPTER
from limner.families.diffusion.recipe import Tuning
from limner.families.diffusion.tunable import load_tunable
from limner.registry.models import open_model


def _layers(model: Path, **keys: Any) -> list[Any]:
    tuning = Tuning(steps=1, method="lora", layers="all", text_encoder=True, precision="float32", **keys)
    networks = load_tunable(open_model(model), tuning, 0, 64).networks.values()
    return [module for network in networks for module in network.modules() if isinstance(module, LoraLayer)]


def _input(layer: Any, side: int = 7) -> Tensor:
    base = layer.get_base_layer()
    if isinstance(base, nn.Conv2d):
        return torch.randn(2, base.in_channels, side, side + 2)
    return torch.randn(2, side * side, base.in_features)


def _beside(layer: Any, x: Tensor) -> Tensor:
    """A LoRA as it is defined, and as peft computes it."""
    product = layer.lora_B[ADAPTER](layer.lora_A[ADAPTER](x))
    made: Tensor = layer.get_base_layer()(x) + layer.scaling[ADAPTER] * product
    return made


@pytest.mark.parametrize("rank", [1, 16])
def test_a_layer_and_its_lora_are_what_they_are_by_definition(tiny_model: Path, rank: int) -> None:
    torch.manual_seed(0)
    for layer in _layers(tiny_model, rank=rank, alpha=3):
        down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
        nn.init.normal_(up)
        x = _input(layer).requires_grad_()
        ours, theirs = layer(x), _beside(layer, x)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        aim = torch.randn_like(ours)
        found, expected = (torch.autograd.grad((made * aim).sum(), (x, down, up)) for made in (ours, theirs))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_the_cheaper_of_two_ways_is_taken(tiny_model: Path) -> None:
    """Counted in products, there and back, of an input of many cells, for ranks small and large."""
    taken = set()
    for rank in (1, 4, 16):
        for layer in _layers(tiny_model, rank=rank)[::3]:
            x = _input(layer, 24).requires_grad_()
            ours, beside = _products(layer, x), _products(partial(_beside, layer), x)
            assert ours <= 1.05 * beside
            taken.add(ours < beside)
    assert taken == {True, False}


def _products(call: Any, x: Tensor) -> int:
    with FlopCounterMode(display=False) as counted:
        call(x).sum().backward()
    return int(counted.get_total_flops())
