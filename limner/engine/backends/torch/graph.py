"""An ONNX graph as a torch module: its weights as they lie in the safetensors file, its nodes run one after another.

What does not depend on the inputs is computed once, when the graph is read. Products (convolutions, matrix products,
attention) are computed in the type that is asked for, everything between them in the type that comes, and
normalisation, softmax and timesteps in float32. Attention is found by structure and computed in one go, where nobody
else reads its shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ....errors import LimnerError
from .operators import OPERATORS, Attributes, Operator, tensor_of

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

ATTENTION = "Attention"
_WEIGHT_OF = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}  # where products have their weight


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes


class TorchGraph(nn.Module):
    """A graph on a device; called with named tensors it gives named tensors."""

    def __init__(
        self, model: ModelProto, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        """Read `model`, with what lies outside of it in `weights` by name, to compute products in `dtype`.

        LimnerError names an operator that there is no torch form of.
        """
        super().__init__()
        self.device, self.dtype = device, dtype
        graph = model.graph
        self.inputs = [
            port.name for port in graph.input if port.name not in {each.name for each in graph.initializer}
        ]
        self.outputs = [port.name for port in graph.output]
        self._operators = dict(OPERATORS) | _products(dtype)
        nodes = [_node(each) for each in graph.node]
        unknown = sorted({node.operator for node in nodes} - set(self._operators))
        if unknown:
            raise LimnerError(f"there is no torch form of {', '.join(unknown)}; choose another backend")
        values: dict[str, Any] = {"": None}
        for each in graph.initializer:
            values[each.name] = weights[each.name].to(device) if each.name in weights else _array(each)
        nodes = self._folded(fused(nodes, set(self.outputs)), values)
        self._nodes = _freed(nodes, self.outputs)
        needed = {name for node, _ in self._nodes for name in node.inputs} | set(self.outputs)
        self._fixed = {name: value for name, value in values.items() if name in needed or not name}
        self._prepare()
        for number, (name, value) in enumerate(self._fixed.items()):
            if isinstance(value, Tensor):
                self.register_buffer(f"fixed_{number}", value)
                self._fixed[name] = getattr(self, f"fixed_{number}")

    def _folded(self, nodes: Sequence[_Node], values: dict[str, Any]) -> list[_Node]:
        """Compute what depends on no input into `values`; the other nodes."""
        left = []
        with torch.no_grad():
            for node in nodes:
                if all(name in values for name in node.inputs):
                    self._run(node, values)
                else:
                    left.append(node)
        return left

    def _prepare(self) -> None:
        """Weights that products alone read, in the type that those compute in."""
        readers: dict[str, list[bool]] = {}
        for node, _ in self._nodes:
            for at, name in enumerate(node.inputs):
                readers.setdefault(name, []).append(_WEIGHT_OF.get(node.operator) == at)
        for name, value in self._fixed.items():
            if isinstance(value, Tensor) and value.is_floating_point() and all(readers.get(name, [False])):
                made = value.to(self.dtype)
                form = torch.channels_last if made.ndim == 4 and self.device.type == "cuda" else None
                self._fixed[name] = made.contiguous(memory_format=form) if form else made.contiguous()

    def _run(self, node: _Node, values: dict[str, Any]) -> None:
        try:
            made = self._operators[node.operator](node.attributes, [values[name] for name in node.inputs])
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            gist = " ".join(str(error).split())
            raise LimnerError(f"{node.operator} to {node.outputs[0]}: {gist}") from error
        if len(node.outputs) == 1 and not (isinstance(made, tuple)):
            values[node.outputs[0]] = made
        else:
            values.update(zip(node.outputs, made, strict=True))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named tensors of one number of rows, on the device -> named tensors, floating ones in float32."""
        values = dict(self._fixed) | inputs
        for node, done in self._nodes:
            self._run(node, values)
            for name in done:
                del values[name]
        found = {name: tensor_of(values[name], self.device) for name in self.outputs}
        return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def _node(node: NodeProto) -> _Node:
    from onnx import helper, numpy_helper

    attributes: dict[str, Any] = {}
    for each in node.attribute:
        value = helper.get_attribute_value(each)
        if each.name == "value":
            value = numpy_helper.to_array(value)
        attributes[each.name] = value.decode() if isinstance(value, bytes) else value
    return _Node(node.op_type, tuple(node.input), tuple(node.output), attributes)


def _array(tensor: TensorProto) -> Any:
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    # Small whole numbers are shapes and places, which stay off the device.
    return array if array.dtype.kind in "iub" or array.ndim == 0 else torch.from_numpy(array.copy())


def _freed(nodes: Sequence[_Node], outputs: Sequence[str]) -> list[tuple[_Node, tuple[str, ...]]]:
    """Each node with what nobody reads after it."""
    made, seen, found = {name for node in nodes for name in node.outputs}, set(outputs), []
    for node in reversed(nodes):
        last = {*node.inputs, *node.outputs} - seen
        seen |= last
        found.append((node, tuple(sorted(last & made))))
    return found[::-1]


def fused(nodes: Sequence[_Node], outputs: set[str]) -> list[_Node]:
    """Nodes of which a product, perhaps a mask, a softmax and another product have become one that attends.

    As Vaswani et al. (2017): softmax(q k + mask) v, where q and k are scaled before. Exporters follow the softmax by a
    guard against rows that are masked throughout, which is kept by attending to nothing there.
    """
    made = {name: node for node in nodes for name in node.outputs}
    readers: dict[str, list[_Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)

    def only(name: str, operators: Sequence[str]) -> bool:
        return name not in outputs and [each.operator for each in readers.get(name, [])] == list(operators)

    instead: dict[str, _Node] = {}
    gone: set[str] = set()
    for softmax in nodes:
        if softmax.operator != "Softmax" or softmax.attributes.get("axis", -1) not in (-1, 3):
            continue
        scores, between = made.get(softmax.inputs[0]), [softmax]
        mask, guarded = "", False
        if scores is not None and scores.operator == "Add" and only(scores.outputs[0], ["Softmax"]):
            products = [made.get(name) for name in scores.inputs]
            at = next(
                (k for k, each in enumerate(products) if each is not None and each.operator == "MatMul"), None
            )
            if at is None:
                continue
            between.append(scores)
            mask, scores = scores.inputs[1 - at], products[at]
        if scores is None or scores.operator != "MatMul" or len(readers[scores.outputs[0]]) != 1:
            continue
        shares = softmax.outputs[0]
        if only(shares, ["IsNaN", "Where"]):
            guard, where = readers[shares]
            if where.inputs[0] != guard.outputs[0] or where.inputs[2] != shares:
                continue
            between += [guard, where]
            shares, guarded = where.outputs[0], True
        if not only(shares, ["MatMul"]) or readers[shares][0].inputs[0] != shares:
            continue
        last = readers[shares][0]
        gone |= {node.outputs[0] for node in (*between, scores)}
        instead[last.outputs[0]] = _Node(
            ATTENTION, (*scores.inputs, last.inputs[1], mask), last.outputs, {"guarded": guarded}
        )
    return [instead.get(node.outputs[0], node) for node in nodes if node.outputs[0] not in gone]


def _products(dtype: torch.dtype) -> dict[str, Operator]:
    """Operators that multiply, in one type."""

    def typed(inputs: Sequence[Any]) -> list[Any]:
        device = next(value.device for value in inputs if isinstance(value, Tensor))
        tensors = [None if value is None else tensor_of(value, device) for value in inputs]
        return [x.to(dtype) if x is not None and x.is_floating_point() else x for x in tensors]

    def convolve(attributes: Attributes, inputs: Sequence[Any]) -> Tensor:
        x, weight, *bias = typed(inputs)
        rank = x.ndim - 2
        pads = list(attributes.get("pads", [0] * (2 * rank)))
        if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            raise ValueError(f"pads by {attributes['auto_pad']}")
        if pads[:rank] != pads[rank:]:
            x = functional.pad(x, [p for k in reversed(range(rank)) for p in (pads[k], pads[k + rank])])
            pads = [0] * (2 * rank)
        run = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
        strides, dilations = (tuple(attributes.get(name, [1] * rank)) for name in ("strides", "dilations"))
        return run(
            x,
            weight,
            bias[0] if bias else None,
            strides,
            tuple(pads[:rank]),
            dilations,
            attributes.get("group", 1),
        )

    def multiply(attributes: Attributes, inputs: Sequence[Any]) -> Any:
        if all(isinstance(value, np.ndarray) for value in inputs):
            return np.matmul(*inputs)
        return torch.matmul(*typed(inputs))

    def affine(attributes: Attributes, inputs: Sequence[Any]) -> Any:
        a, b, *c = typed(inputs)
        a = a.t() if attributes.get("transA", 0) else a
        b = b.t() if attributes.get("transB", 0) else b
        made = attributes.get("alpha", 1.0) * (a @ b) if attributes.get("alpha", 1.0) != 1 else a @ b
        return made + attributes.get("beta", 1.0) * c[0] if c and c[0] is not None else made

    def contract(attributes: Attributes, inputs: Sequence[Any]) -> Tensor:
        return torch.einsum(attributes["equation"], *typed(inputs))

    def attend(attributes: Attributes, inputs: Sequence[Any]) -> Tensor:
        query, keys, values, mask = typed(inputs)
        made = functional.scaled_dot_product_attention(
            query,
            keys.transpose(-2, -1),
            values,
            None if mask is None else mask.expand(*query.shape[:-1], -1),
            scale=1.0,
        )
        return made.nan_to_num(0.0) if attributes["guarded"] else made

    return {"Conv": convolve, "MatMul": multiply, "Gemm": affine, "Einsum": contract, ATTENTION: attend}
