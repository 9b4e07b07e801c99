"""The LoRA of a network (Hu et al., 2021): which layers take one, and how it is computed.

A layer of weight W gets W + s B A, where B begins at zero and s is alpha / rank. Peft computes W x and s B (A x)
beside each other: 3 products more of rank x (inputs + outputs), counting those of the way back. The sum first, and then
one product, costs one more of inputs x outputs, the gradient of the sum; that is less where the rank is large for the
layer.

A LoRA whose rank is at least the lesser of inputs and outputs can be any difference from W. There the difference itself
is learned, as in tuning whole weights, in fewer numbers than two matrices would have; when it has been learned, it is
parted into them.
"""

from __future__ import annotations

import types
from typing import Any, Literal

import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from transformers import CLIPTextModel

from ...errors import InvalidInput
from .recipe import Tuning

ADAPTER = "default"
_DIFFERENCE = "difference"
_ATTENTION = {"to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj"}


def add_lora(network: Any, recipe: Tuning) -> None:
    """Freeze a network of diffusers or transformers, and give it a LoRA in float32, which is to be learned.

    InvalidInput where none of its layers can take one.
    """
    network.requires_grad_(False)
    network.add_adapter(
        LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha or recipe.rank,
            target_modules=_targets(network, recipe.layers),
        ),
        ADAPTER,
    )
    cast_training_params(network, torch.float32)
    layers: list[Any] = [module for module in network.modules() if isinstance(module, LoraLayer)]
    for layer in layers:
        if _is_any_difference(layer):
            _learn_difference(layer)
        if _sum_is_cheaper(layer):
            layer.forward = types.MethodType(_summed, layer)


@torch.no_grad()
def part_differences(network: nn.Module) -> None:
    """Put the differences that were learned whole into the two matrices of their LoRA, by singular values."""
    layers: list[Any] = [module for module in network.modules() if isinstance(module, LoraLayer)]
    for layer in layers:
        difference = getattr(layer.get_base_layer(), _DIFFERENCE, None)
        if difference is not None:
            down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
            outs, values, ins = torch.linalg.svd(difference.flatten(1), full_matrices=False)
            root, left = values.sqrt(), layer.r[ADAPTER] - len(values)
            down.copy_(functional.pad(root[:, None] * ins, (0, 0, 0, left)).view(down.shape))
            up.copy_(functional.pad(outs * root / layer.scaling[ADAPTER], (0, left)).view(up.shape))


class _Widened(nn.Module):
    """An embedding whose first rows (K, D) stay, and whose others (N, D) are a parameter."""

    known: Tensor

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.register_buffer("known", known)

    def forward(self, new: Tensor) -> Tensor:
        return torch.cat([self.known, new])

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight[len(self.known) :]


def learn_last_rows(text_encoder: CLIPTextModel, count: int) -> None:
    """Let the last `count` rows of a text encoder's embedding of tokens be learned, too; the others stay."""
    embedding = text_encoder.get_input_embeddings()
    known = embedding.weight[:-count].detach().clone()
    parametrize.register_parametrization(embedding, "weight", _Widened(known), unsafe=True)
    embedding.parametrizations.weight.original.requires_grad_(True)


def _targets(network: nn.Module, layers: Literal["attention", "all"]) -> list[str]:
    """The names of the layers of a network that take a LoRA: projections of attention, or every matrix and kernel."""
    found = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and (layers == "all" or any(name.endswith(f".{each}") for each in _ATTENTION))
    ]
    if not found:
        raise InvalidInput(f"no layer of {type(network).__name__} can take a LoRA; set layers = 'all'")
    return found


def _is_any_difference(layer: Any) -> bool:
    return bool(layer.r[ADAPTER] >= min(layer.get_base_layer().weight.flatten(1).shape))


def _learn_difference(layer: Any) -> None:
    """Learn, instead of its two matrices, what the LoRA of a layer comes to."""
    # Beside the layer's own weight, which comes first: diffusers asks the first for a network's number format.
    base = layer.get_base_layer()
    base.register_parameter(_DIFFERENCE, nn.Parameter(torch.zeros_like(base.weight, dtype=torch.float32)))
    for half in (layer.lora_A, layer.lora_B):
        half[ADAPTER].requires_grad_(False)


def _sum_is_cheaper(layer: Any) -> bool:
    outs, ins = layer.get_base_layer().weight.flatten(1).shape
    return bool(3 * layer.r[ADAPTER] * (ins + outs) > ins * outs)


def _summed(layer: Any, x: Tensor) -> Tensor:
    """What a layer and its LoRA make of x together, by the sum of their weights."""
    base = layer.get_base_layer()
    with torch.autocast(x.device.type, enabled=False):
        weight = base.weight + _difference(layer)
    if isinstance(base, nn.Conv2d):
        # As nn.Conv2d does it, whatever its padding mode.
        made: Tensor = base._conv_forward(x, weight, base.bias)
        return made
    return functional.linear(x, weight, base.bias)


def _difference(layer: Any) -> Tensor:
    base = layer.get_base_layer()
    found: Tensor | None = getattr(base, _DIFFERENCE, None)
    if found is not None:
        return found
    down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    made: Tensor = layer.scaling[ADAPTER] * (up.flatten(1) @ down.flatten(1)).view_as(base.weight)
    return made
