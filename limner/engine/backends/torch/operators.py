"""ONNX operators in torch, as far as the graphs of Limner's families use them.

A value is a tensor, or a numpy array of what is known without the inputs' numbers: constants, shapes, and what is
computed of these. So shapes stay off the device, and a graph that is traced for inputs of one shape has none left.
Where floating types of two tensors differ the narrower counts: what is computed in bfloat16 stays in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Known = NDArray[Any]
Value = Tensor | Known | list[Tensor] | None
Attributes = Mapping[str, Any]
Operator = Callable[[Attributes, Sequence[Any]], Any]

_TYPES: dict[int, tuple[torch.dtype, Any]] = {  # by TensorProto.DataType
    1: (torch.float32, np.float32), 2: (torch.uint8, np.uint8), 3: (torch.int8, np.int8), 6: (torch.int32, np.int32),
    7: (torch.int64, np.int64), 9: (torch.bool, np.bool_), 10: (torch.float16, np.float16),
    11: (torch.float64, np.float64), 16: (torch.bfloat16, np.float32),
}  # fmt: skip


def tensor_of(value: Any, device: torch.device) -> Tensor:
    """A value as a tensor on a device."""
    return value if isinstance(value, Tensor) else torch.from_numpy(np.array(value, order="C")).to(device)


def _known(values: Sequence[Any]) -> bool:
    return all(isinstance(value, np.ndarray) for value in values if value is not None)


def _together(values: Sequence[Any]) -> list[Tensor]:
    """Tensors on one device, floating ones in the narrowest of their types."""
    device = next(value.device for value in values if isinstance(value, Tensor))
    made = [tensor_of(value, device) for value in values]
    floats = [each.dtype for each in made if each.is_floating_point()]
    if len(set(floats)) > 1:
        narrow = min(floats, key=lambda dtype: dtype.itemsize)
        made = [each.to(narrow) if each.is_floating_point() else each for each in made]
    return made


def _wide(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute in float32 what loses too much in fewer digits, and give it as it came."""
    return compute(x.float()).to(x.dtype)


def _ints(value: Any) -> list[int]:
    if not isinstance(value, np.ndarray):
        raise ValueError("a shape depends on what the network is given")
    return [int(each) for each in np.atleast_1d(value)]


def _joined(of: Callable[[Any, Any], Any]) -> Operator:
    """An operator of two values (or more, from left to right) that numpy and torch spell alike."""

    def operator(attributes: Attributes, inputs: Sequence[Any]) -> Any:
        values = inputs if _known(inputs) else _together(inputs)
        made = values[0]
        for value in values[1:]:
            made = of(made, value)
        return np.asarray(made) if _known(inputs) else made

    return operator


def _mapped(known: Callable[[Any], Any], of: Callable[[Tensor], Tensor]) -> Operator:
    """An operator of one value, in numpy and in torch."""
    return lambda attributes, inputs: np.asarray(known(inputs[0])) if _known(inputs[:1]) else of(inputs[0])


def _divide(a: Any, b: Any) -> Any:
    whole = a.dtype.kind in "iu" if isinstance(a, np.ndarray) else not a.dtype.is_floating_point
    if not whole:
        return a / b
    return a // b if isinstance(a, np.ndarray) else torch.div(a, b, rounding_mode="trunc")


def _constant(attributes: Attributes, inputs: Sequence[Any]) -> Known:
    (name, value), *_ = attributes.items()
    kind = {
        "value_int": np.int64,
        "value_ints": np.int64,
        "value_float": np.float32,
        "value_floats": np.float32,
    }
    return np.asarray(value, kind.get(name))


def _constant_of_shape(attributes: Attributes, inputs: Sequence[Any]) -> Known:
    value = np.asarray(attributes.get("value", np.zeros(1, np.float32)))
    return np.full(_ints(inputs[0]), value.reshape(-1)[0], value.dtype)


def _cast(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    tensor, known = _TYPES[attributes["to"]]
    return inputs[0].astype(known) if _known(inputs) else inputs[0].to(tensor)


def _cast_like(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, like = inputs
    if isinstance(value, np.ndarray) and isinstance(like, np.ndarray):
        return value.astype(like.dtype)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value, order="C")).to(like.device, like.dtype)
    return value.to(
        torch.from_numpy(np.empty(0, like.dtype)).dtype if isinstance(like, np.ndarray) else like.dtype
    )


def _shape(attributes: Attributes, inputs: Sequence[Any]) -> Known:
    return np.array(list(inputs[0].shape)[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _reshape(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, sizes = inputs[0], _ints(inputs[1])
    if not attributes.get("allowzero", 0):
        sizes = [value.shape[at] if size == 0 else size for at, size in enumerate(sizes)]
    return value.reshape(sizes)


def _expand(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value = inputs[0]
    sizes = np.broadcast_shapes(tuple(value.shape), tuple(_ints(inputs[1])))
    return np.broadcast_to(value, sizes) if isinstance(value, np.ndarray) else value.expand(sizes)


def _range(attributes: Attributes, inputs: Sequence[Any]) -> Known:
    start, limit, delta = (np.asarray(value).item() for value in inputs)
    return np.arange(start, limit, delta).astype(np.asarray(inputs[0]).dtype)


def _transpose(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value = inputs[0]
    order = attributes.get("perm", list(range(value.ndim))[::-1])
    return value.transpose(order) if isinstance(value, np.ndarray) else value.permute(order)


def _unsqueeze(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, axes = inputs[0], _ints(inputs[1])
    rank = value.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        value = np.expand_dims(value, axis) if isinstance(value, np.ndarray) else value.unsqueeze(axis)
    return value


def _squeeze(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value = inputs[0]
    told = _ints(inputs[1]) if len(inputs) > 1 else [at for at, size in enumerate(value.shape) if size == 1]
    for axis in sorted((axis % value.ndim for axis in told), reverse=True):
        value = value.squeeze(axis)
    return value


def _concat(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    axis = attributes["axis"]
    return np.concatenate(inputs, axis) if _known(inputs) else torch.cat(_together(inputs), axis)


def _slice(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, starts, ends = inputs[0], _ints(inputs[1]), _ints(inputs[2])
    axes = _ints(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = _ints(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    cuts = [slice(None)] * value.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(start, end, step)
    return value[tuple(cuts)]


def _gather(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, index = inputs
    axis = attributes.get("axis", 0)
    if _known(inputs):
        return np.asarray(np.take(value, index, axis))
    if isinstance(index, np.ndarray) and not index.ndim:
        return value.select(axis, int(index))
    device = index.device if isinstance(index, Tensor) else value.device
    value, index = tensor_of(value, device), tensor_of(index, device)
    axis %= value.ndim
    index = torch.where(index < 0, index + value.shape[axis], index)
    found = value.index_select(axis, index.reshape(-1))
    return found.reshape(*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])


def _gather_elements(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, index = _together(inputs)
    return torch.gather(value, attributes.get("axis", 0), index)


def _where(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    if _known(inputs):
        return np.where(*inputs)
    return torch.where(*_together(inputs))


def _split(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, axis = inputs[0], attributes.get("axis", 0)
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = _ints(inputs[1])
        if len(sizes) == 1 and inputs[1].ndim == 0:
            sizes = [min(sizes[0], value.shape[axis] - at) for at in range(0, value.shape[axis], sizes[0])]
    elif "num_outputs" in attributes:
        each = -(-value.shape[axis] // attributes["num_outputs"])
        sizes = [min(each, value.shape[axis] - at) for at in range(0, value.shape[axis], each)]
    else:
        sizes = [1] * value.shape[axis]
    if isinstance(value, np.ndarray):
        return tuple(np.split(value, np.cumsum(sizes)[:-1], axis))
    return tuple(torch.split(value, sizes, axis))


def _split_to_sequence(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    parts = list(_split(attributes, inputs))
    drop = len(inputs) < 2 and not attributes.get("keepdims", 1)
    return [part.squeeze(attributes.get("axis", 0)) for part in parts] if drop else parts


def _sequence_at(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    return inputs[0][_ints(inputs[1])[0]]


def _pad(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, pads = inputs[0], _ints(inputs[1])
    axes = _ints(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else list(range(value.ndim))
    around = [[0, 0] for _ in range(value.ndim)]
    for k, axis in enumerate(axes):
        around[axis] = [pads[k], pads[k + len(axes)]]
    fill = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros((), np.float32)
    mode = attributes.get("mode", "constant")
    if mode != "constant":
        raise ValueError(f"pads by {mode}")
    return functional.pad(
        value, [each for pair in reversed(around) for each in pair], value=float(fill.item())
    )


def _reduced(known: Callable[..., Any], of: Callable[..., Tensor]) -> Operator:
    def operator(attributes: Attributes, inputs: Sequence[Any]) -> Any:
        value, keep = inputs[0], bool(attributes.get("keepdims", 1))
        if len(inputs) > 1 and inputs[1] is not None:
            axes = _ints(inputs[1])
        elif "axes" in attributes:
            axes = list(attributes["axes"])
        elif attributes.get("noop_with_empty_axes", 0):
            return value
        else:
            axes = list(range(value.ndim))
        if isinstance(value, np.ndarray):
            return np.asarray(known(value, axis=tuple(axes), keepdims=keep))
        return of(value, axes, keep)

    return operator


def _norm(value: Known, axis: tuple[int, ...], keepdims: bool) -> Known:
    return np.asarray(np.sqrt(np.square(value).sum(axis, keepdims=keepdims)))


def _power(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    if _known(inputs):
        return np.asarray(np.power(*inputs))
    base, exponent = inputs
    return base ** (exponent.item() if isinstance(exponent, np.ndarray) and exponent.size == 1 else exponent)


def _instance_normalization(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    x, scale, bias = _together(inputs)
    wide, axes = x.float(), list(range(2, x.ndim))
    variance, mean = torch.var_mean(wide, axes, correction=0, keepdim=True)
    broad = [1, -1, *[1] * (x.ndim - 2)]
    made = (wide - mean) * torch.rsqrt(variance + attributes.get("epsilon", 1e-5))
    return (made * scale.float().view(broad) + bias.float().view(broad)).to(x.dtype)


def _layer_normalization(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    x, *weights = _together([value for value in inputs if value is not None])
    axis = attributes.get("axis", -1) % x.ndim
    scale, bias = (weights[k].float() if len(weights) > k else None for k in range(2))
    epsilon = float(attributes.get("epsilon", 1e-5))
    return _wide(lambda wide: functional.layer_norm(wide, list(x.shape[axis:]), scale, bias, epsilon), x)


def _resize(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    value, mode = inputs[0], attributes.get("mode", "nearest")
    if len(inputs) > 3 and inputs[3] is not None:
        sizes = _ints(inputs[3])
    else:
        sizes = [int(size * scale) for size, scale in zip(value.shape, np.asarray(inputs[2]), strict=True)]
    if mode == "nearest":
        return functional.interpolate(value, sizes[2:], mode="nearest")
    if mode != "linear" or attributes.get("coordinate_transformation_mode", "half_pixel") == "align_corners":
        raise ValueError(f"resizes by {mode}")
    return functional.interpolate(value, sizes[2:], mode="bilinear", align_corners=False)


def _pool(of: Callable[..., Tensor]) -> Operator:
    def operator(attributes: Attributes, inputs: Sequence[Any]) -> Any:
        rank = len(attributes["kernel_shape"])
        pads = attributes.get("pads", [0] * (2 * rank))
        if list(pads[:rank]) != list(pads[rank:]) or attributes.get("ceil_mode", 0):
            raise ValueError("pools beyond a side")
        return of(inputs[0], attributes["kernel_shape"], attributes.get("strides", [1] * rank), pads[:rank])

    return operator


def _gelu(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    return functional.gelu(inputs[0], approximate=attributes.get("approximate", "none"))


def _softmax(attributes: Attributes, inputs: Sequence[Any]) -> Any:
    return _wide(lambda wide: torch.softmax(wide, attributes.get("axis", -1)), inputs[0])


OPERATORS: dict[str, Operator] = {
    "Add": _joined(lambda a, b: a + b), "Sub": _joined(lambda a, b: a - b), "Mul": _joined(lambda a, b: a * b),
    "Div": _joined(_divide), "Mean": lambda attributes, inputs: torch.stack(_together(inputs)).mean(0),
    "Less": _joined(lambda a, b: a < b), "LessOrEqual": _joined(lambda a, b: a <= b),
    "Greater": _joined(lambda a, b: a > b), "GreaterOrEqual": _joined(lambda a, b: a >= b),
    "Equal": _joined(lambda a, b: a == b), "And": _joined(lambda a, b: a & b), "Or": _joined(lambda a, b: a | b),
    "Max": _joined(lambda a, b: np.maximum(a, b) if isinstance(a, np.ndarray) else torch.maximum(a, b)),
    "Min": _joined(lambda a, b: np.minimum(a, b) if isinstance(a, np.ndarray) else torch.minimum(a, b)),
    "Not": _mapped(np.logical_not, torch.logical_not), "Neg": _mapped(np.negative, torch.neg),
    "Sqrt": _mapped(np.sqrt, torch.sqrt), "Exp": _mapped(np.exp, torch.exp), "Log": _mapped(np.log, torch.log),
    "Sin": _mapped(np.sin, torch.sin), "Cos": _mapped(np.cos, torch.cos), "Abs": _mapped(np.abs, torch.abs),
    "Floor": _mapped(np.floor, torch.floor), "Reciprocal": _mapped(np.reciprocal, torch.reciprocal),
    "IsNaN": _mapped(np.isnan, torch.isnan), "Identity": _mapped(np.asarray, lambda x: x),
    "Sigmoid": lambda attributes, inputs: torch.sigmoid(inputs[0]),
    "Tanh": lambda attributes, inputs: torch.tanh(inputs[0]), "Erf": lambda attributes, inputs: torch.erf(inputs[0]),
    "Relu": lambda attributes, inputs: torch.relu(inputs[0]), "Gelu": _gelu, "Softmax": _softmax,
    "LeakyRelu": lambda attributes, inputs: functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01)),
    "Pow": _power, "Cast": _cast, "CastLike": _cast_like, "Shape": _shape, "Constant": _constant,
    "ConstantOfShape": _constant_of_shape, "Reshape": _reshape, "Expand": _expand, "Range": _range,
    "Transpose": _transpose, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Concat": _concat, "Slice": _slice,
    "Gather": _gather, "GatherElements": _gather_elements, "Where": _where, "Split": _split,
    "SplitToSequence": _split_to_sequence, "SequenceAt": _sequence_at, "Pad": _pad,
    "ReduceMean": _reduced(np.mean, torch.mean), "ReduceSum": _reduced(np.sum, torch.sum),
    "ReduceMax": _reduced(np.max, torch.amax),
    "ReduceL2": _reduced(_norm, lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "InstanceNormalization": _instance_normalization, "LayerNormalization": _layer_normalization, "Resize": _resize,
    "AveragePool": _pool(lambda x, kernel, strides, pads: functional.avg_pool2d(x, kernel, strides, pads)),
    "MaxPool": _pool(lambda x, kernel, strides, pads: functional.max_pool2d(x, kernel, strides, pads)),
    "GlobalAveragePool": lambda attributes, inputs: inputs[0].mean(list(range(2, inputs[0].ndim)), keepdim=True),
}  # fmt: skip
"""By ONNX's name of the operator: (attributes, inputs) -> output, or a tuple of several."""
