"""The variants of a denoiser's ONNX graph; see `engine.variants`.

Deep is cut from shallow at one tensor, found by structure. Every resnet of an up block reads what comes from below
joined with what the down blocks have kept for it, and makes it narrower by `conv_shortcut`. What comes from below, at
the last resnet of the last up block, are the deep features.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput
from ..variants import FEATURES, Variant
from .attending import attended, tell_attention

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_SHORTCUT = re.compile(r"(?:^|\.)up_blocks\.(\d+)\.resnets\.(\d+)\.conv_shortcut\.weight$")


def places(file: Path, variant: Variant) -> tuple[str | None, list[str]]:
    """Of the graph in a file, the tensor at which a variant of it is cut, and those of attention that it tells.

    InvalidInput where it has none; without a cut, the attentive variant gives no features.
    """
    graph = _read(file).graph
    tensor = _cut(graph)
    if variant == "attentive":
        return tensor, attended(graph, file)
    if tensor is None:
        raise InvalidInput(
            f"{file} has no deep features that a step could use again; draw with feature_reuse=1",
            field="feature_reuse",
        )
    return tensor, []


def variant_graph(file: Path, variant: Variant) -> ModelProto:
    """A variant of the graph in a file, its weights still in the files beside it; InvalidInput as `places`."""
    import onnx

    (tensor, maps), model = places(file, variant), _read(file)
    graph = model.graph
    if maps:
        tell_attention(graph, maps)
    if tensor is None:
        return model
    features = onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, None)
    if variant != "shallow":
        graph.node.append(onnx.helper.make_node("Identity", [tensor], [FEATURES], name=FEATURES))
        graph.output.append(features)
        return model
    for node in graph.node:
        for at, name in enumerate(node.input):
            if name == tensor:
                node.input[at] = FEATURES
    graph.input.append(features)
    _prune(graph)
    return model


def _read(file: Path) -> ModelProto:
    import onnx

    return onnx.load(file, load_external_data=False)


def _cut(graph: GraphProto) -> str | None:
    weights = {
        (int(found[1]), int(found[2])): tensor.name
        for tensor in graph.initializer
        if (found := _SHORTCUT.search(tensor.name))
    }
    made = {name: node for node in graph.node for name in node.output}
    if weights:
        weight = weights[max(weights)]
        for node in graph.node:
            if node.op_type == "Conv" and _is(node.input[1], weight, made):
                joined = made.get(node.input[0])
                if joined is not None and joined.op_type == "Concat":
                    return str(joined.input[0])
    return None


def _is(name: str, weight: str, made: dict[str, NodeProto]) -> bool:
    """Whether this is the weight itself, or made single precision of."""
    return name == weight or (name in made and made[name].op_type == "Cast" and made[name].input[0] == weight)


def _prune(graph: GraphProto) -> None:
    """Leave out what no output needs; inputs stay."""
    needed = {port.name for port in graph.output}
    kept = []
    for node in reversed(graph.node):  # in an order in which each comes after what it reads
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    _keep(graph.node, kept[::-1])
    _keep(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])


def _keep(field: Any, items: Sequence[object]) -> None:
    del field[:]
    field.extend(items)
