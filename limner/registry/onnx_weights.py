"""Binding an ONNX graph to the safetensors file beside it, so that weights are stored once.

Both formats keep a tensor as a flat little-endian run of bytes. ONNX external data names a file, an
offset and a length; the safetensors header gives exactly these. So each initialiser of a graph becomes a
pointer into the safetensors file, in that file's number format, and a Cast gives the graph its float32
back; runtimes fold the Cast when they load. A graph bound like this is small, and serves every set of
weights of the same configuration once it is bound anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

import onnx
import onnx.helper
from onnx import GraphProto, ModelProto, TensorProto

from ..errors import InvalidInput
from .weight_files import WIDTH, Stored, read_index

MAX_INLINE = 4096  # bytes of a constant that may stay in the graph

_onnx_type = {"F32": "FLOAT", "F16": "FLOAT16", "BF16": "BFLOAT16"}


def strip(model: ModelProto) -> None:
    """Remove what an exporter leaves for people (doc strings, metadata, inner shapes), in place."""
    graph = model.graph
    del model.metadata_props[:]
    model.doc_string = model.producer_name = model.producer_version = ""
    del graph.value_info[:]
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""


def bind(model: ModelProto, weights: Path, prefix: str = "", within: str = "") -> None:
    """Make every initialiser of `model` external data in `weights`, in place.

    An initialiser called `prefix + key` takes the name and bytes of tensor `within + key`; a Cast to float32
    follows where the file holds another format. Constants of at most 4096 bytes that are not in the file
    stay. The graph must be saved in the folder of `weights`. InvalidInput where a larger initialiser is
    missing from the file or differs in shape or kind.
    """
    index = read_index(weights)
    renamed: dict[str, str] = {}
    casts = []
    for tensor in model.graph.initializer:
        key = within + tensor.name.removeprefix(prefix)
        if key not in index:
            _check_inline(tensor, weights)
            continue
        stored = index[key]
        _check_same(tensor, key, stored, weights)
        consumed = key
        if stored.dtype != "F32":
            consumed = f"{key}.float32"
            casts.append(
                onnx.helper.make_node("Cast", [key], [consumed], name=consumed, to=onnx.TensorProto.FLOAT)
            )
        renamed[tensor.name] = consumed
        _point(tensor, key, stored, weights.name)
    _rename(model.graph, renamed)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _point(tensor: TensorProto, key: str, stored: Stored, location: str) -> None:
    pointer = onnx.TensorProto(
        name=key,
        dims=stored.shape,
        data_type=onnx.TensorProto.DataType.Value(_onnx_type[stored.dtype]),
        data_location=onnx.TensorProto.EXTERNAL,
    )
    for field, value in (("location", location), ("offset", stored.offset), ("length", stored.length)):
        pointer.external_data.add(key=field, value=str(value))
    tensor.CopyFrom(pointer)


def _check_same(tensor: TensorProto, key: str, stored: Stored, weights: Path) -> None:
    if stored.dtype not in _onnx_type or tensor.data_type != onnx.TensorProto.FLOAT:
        raise InvalidInput(
            f"{weights}: tensor {key!r} is {stored.dtype}; only F32, F16 and BF16 can be bound"
        )
    if tuple(tensor.dims) != stored.shape:
        raise InvalidInput(
            f"{weights}: tensor {key!r} is {list(stored.shape)}, the graph has {list(tensor.dims)}; "
            "the weights belong to another configuration"
        )
    if stored.length != prod(stored.shape) * WIDTH[stored.dtype]:
        raise InvalidInput(f"{weights}: tensor {key!r} has {stored.length} bytes, not what its shape needs")


def _check_inline(tensor: TensorProto, weights: Path) -> None:
    if tensor.ByteSize() > MAX_INLINE + 256:
        raise InvalidInput(
            f"{weights} lacks tensor {tensor.name!r} {list(tensor.dims)}, which the graph needs"
        )


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in names:
                node.input[place] = names[name]
