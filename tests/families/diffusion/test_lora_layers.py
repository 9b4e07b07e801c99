"""How a LoRA is computed, against its definition and against what costs more."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from limner.families.diffusion.lora_layers import ADAPTER, part_differences
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


def _differences(layers: list[Any]) -> list[tuple[Any, nn.Parameter]]:
    """Layers whose difference is learned whole, and those differences."""
    found = [(layer, getattr(layer.get_base_layer(), "difference", None)) for layer in layers]
    return [(layer, difference) for layer, difference in found if difference is not None]


@pytest.mark.parametrize("rank", [1, 8])
def test_a_layer_and_its_lora_are_what_they_are_by_definition(tiny_model: Path, rank: int) -> None:
    torch.manual_seed(0)
    layers = _layers(tiny_model, rank=rank, alpha=3)
    whole = [layer for layer, _ in _differences(layers)]
    assert len(whole) < len(layers) / 2
    for layer in layers:
        if layer in whole:
            continue
        down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
        nn.init.normal_(up)
        x = _input(layer).requires_grad_()
        ours, theirs = layer(x), _beside(layer, x)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        aim = torch.randn_like(ours)
        found, expected = (torch.autograd.grad((made * aim).sum(), (x, down, up)) for made in (ours, theirs))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_lora_as_wide_as_its_layer_learns_the_difference_itself(tiny_model: Path) -> None:
    """As one learns whole weights, and in no more numbers; parted afterwards, the LoRA is the same by definition."""
    torch.manual_seed(0)
    tuning = Tuning(
        steps=1, method="lora", layers="all", text_encoder=True, precision="float32", rank=32, alpha=3
    )
    for network in load_tunable(open_model(tiny_model), tuning, 0, 64).networks.values():
        layers = [module for module in network.modules() if isinstance(module, LoraLayer)]
        whole = _differences(layers)
        assert whole
        for layer, difference in whole:
            base = layer.get_base_layer()
            assert min(base.weight.flatten(1).shape) <= 32 and difference.shape == base.weight.shape
            matrices = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
            assert not any(each.requires_grad for each in matrices)
            assert difference.numel() <= sum(each.numel() for each in matrices)
            x = _input(layer).requires_grad_()
            assert torch.equal(layer(x), base(x)), "it begins as the layer is"
            nn.init.normal_(difference)
            tuned = copy.deepcopy(base).requires_grad_(True)
            with torch.no_grad():
                tuned.weight += difference
            ours, theirs = layer(x), tuned(x)
            torch.testing.assert_close(ours, theirs)
            aim = torch.randn_like(ours)
            found = torch.autograd.grad((ours * aim).sum(), (x, difference))
            torch.testing.assert_close(found, torch.autograd.grad((theirs * aim).sum(), (x, tuned.weight)))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as training leaves it
        part_differences(network)
        for layer, _ in whole:
            x = _input(layer)
            torch.testing.assert_close(_beside(layer, x), layer(x), rtol=1e-4, atol=1e-4)


def test_the_cheaper_of_two_ways_is_taken(tiny_model: Path) -> None:
    """Counted in products, there and back, of an input of many cells, for ranks small and large."""
    taken = set()
    for rank in (1, 4, 8):
        layers = _layers(tiny_model, rank=rank)
        whole = [layer for layer, _ in _differences(layers)]
        for layer in [layer for layer in layers if layer not in whole][::3]:
            x = _input(layer, 24).requires_grad_()
            ours, beside = _products(layer, x), _products(partial(_beside, layer), x)
            assert ours <= 1.05 * beside
            taken.add(ours < beside)
    assert taken == {True, False}


def _products(call: Any, x: Tensor) -> int:
    with FlopCounterMode(display=False) as counted:
        call(x).sum().backward()
    return int(counted.get_total_flops())
