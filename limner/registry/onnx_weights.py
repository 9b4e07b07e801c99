"""Binding an ONNX graph to the safetensors file beside it, so that weights are stored once.

Both formats keep a tensor as a flat little-endian run of bytes. ONNX external data names a file, an
offset and a length; the safetensors header gives exactly these. So each initialiser of a graph becomes a
pointer into the safetensors file, in that file's number format, and a Cast gives the graph its float32
back; runtimes fold the Cast when they load. A graph bound like this is small, and serves every set of
weights of the same configuration once it is bound anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

MAX_INLINE = 4096  # bytes of a constant that may stay in the graph
MAX_HEADER = 100_000_000  # bytes; the safetensors format's own limit

_onnx_type = {"F32": "FLOAT", "F16": "FLOAT16", "BF16": "BFLOAT16"}
_width = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in a safetensors file: absolute offset and length in bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def read_index(file: Path) -> dict[str, Stored]:
    """Names and places of a safetensors file's tensors, from its header; InvalidInput if damaged."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if size < 8 or header_size > min(MAX_HEADER, size - 8):
            raise InvalidInput(f"{file} is not a safetensors file: its header does not fit in it")
        header = stream.read(header_size)
    start = 8 + header_size
    index = {}
    try:
        for name, entry in json.loads(header).items():
            if name == "__metadata__":
                continue
            first, last = (int(place) for place in entry["data_offsets"])
            if not 0 <= first <= last <= size - start:
                raise InvalidInput(f"{file}: tensor {name!r} lies outside the file")
            shape = tuple(int(n) for n in entry["shape"])
            index[name] = Stored(str(entry["dtype"]), shape, start + first, last - first)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise InvalidInput(f"{file} is not a safetensors file: its header cannot be read") from None
    return index


def strip(model: ModelProto) -> None:
    """Remove what an exporter leaves for people (doc strings, metadata, inner shapes), in place."""
    graph = model.graph
    del model.metadata_props[:]
    model.doc_string = model.producer_name = model.producer_version = ""
    del graph.value_info[:]
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""


def bind(model: ModelProto, weights: Path, prefix: str = "") -> None:
    """Make every initialiser of `model` external data in `weights`, in place.

    An initialiser called `prefix + key` takes the name and bytes of tensor `key`; a Cast to float32
    follows where the file holds another format. Constants of at most 4096 bytes that are not in the file
    stay. The graph must be saved in the folder of `weights`. InvalidInput where a larger initialiser is
    missing from the file or differs in shape or kind.
    """
    onnx = _onnx()
    index = read_index(weights)
    renamed: dict[str, str] = {}
    casts = []
    for tensor in model.graph.initializer:
        key = tensor.name.removeprefix(prefix)
        if key not in index:
            _check_inline(tensor, weights)
            continue
        stored = index[key]
        _check_same(onnx, tensor, key, stored, weights)
        consumed = key
        if stored.dtype != "F32":
            consumed = f"{key}.float32"
            casts.append(
                onnx.helper.make_node("Cast", [key], [consumed], name=consumed, to=onnx.TensorProto.FLOAT)
            )
        renamed[tensor.name] = consumed
        _point(onnx, tensor, key, stored, weights.name)
    _rename(model.graph, renamed)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _point(onnx: ModuleType, tensor: TensorProto, key: str, stored: Stored, location: str) -> None:
    pointer = onnx.TensorProto(
        name=key,
        dims=stored.shape,
        data_type=onnx.TensorProto.DataType.Value(_onnx_type[stored.dtype]),
        data_location=onnx.TensorProto.EXTERNAL,
    )
    for field, value in (("location", location), ("offset", stored.offset), ("length", stored.length)):
        pointer.external_data.add(key=field, value=str(value))
    tensor.CopyFrom(pointer)


def _check_same(onnx: ModuleType, tensor: TensorProto, key: str, stored: Stored, weights: Path) -> None:
    if stored.dtype not in _onnx_type or tensor.data_type != onnx.TensorProto.FLOAT:
        raise InvalidInput(
            f"{weights}: tensor {key!r} is {stored.dtype}; only F32, F16 and BF16 can be bound"
        )
    if tuple(tensor.dims) != stored.shape:
        raise InvalidInput(
            f"{weights}: tensor {key!r} is {list(stored.shape)}, the graph has {list(tensor.dims)}; "
            "the weights belong to another configuration"
        )
    if stored.length != prod(stored.shape) * _width[stored.dtype]:
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


def _onnx() -> ModuleType:
    try:
        import onnx
        import onnx.helper
    except ImportError:
        raise Unavailable(
            "binding graphs to weights needs the package 'onnx'; install the extra [train]"
        ) from None
    return onnx
