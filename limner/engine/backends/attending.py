"""Where a denoiser's graph attends to the text, and the ONNX graph that tells it; see `engine.variants`.

A place attends by a softmax over the tokens, which is found by structure: it is the first one behind the projection of
the text to keys, whose weight has the name that diffusers gives it. Of the levels of a UNet one is told, the finest of
at most 16 places a side: finer ones follow edges rather than words, and would take a while to tell.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InvalidInput
from ...registry.json_files import read_object
from ..variants import ATTENTION

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_KEYS = re.compile(
    r"(?:^|\.)(down_blocks\.(\d+)|mid_block|up_blocks\.(\d+))\.attentions\..*\.attn2\.to_k\.weight$"
)
_DOWN = re.compile(r"(?:^|\.)down_blocks\.(\d+)\.")
_FINEST = 16  # places a side
_CONFIG = "config.json"


def attended(graph: GraphProto, file: Path) -> list[str]:
    """The names of the tensors (B, heads, h x w, T) of the graph in a file that say how much places look at tokens,
    all of one level; InvalidInput where it attends to no text."""
    downs = [int(met[1]) for each in graph.initializer if (met := _DOWN.search(each.name))]
    levels = 1 + max(downs, default=0)
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found: dict[int, list[str]] = {}
    for each in graph.initializer:
        if (keys := _KEYS.search(each.name)) is None:
            continue
        down, up = keys[2], keys[3]
        level = int(down) if down else levels - 1 - int(up) if up else levels - 1
        if (softmax := _softmax_behind(each.name, readers)) is not None:
            found.setdefault(level, []).append(softmax)
    if not found:
        raise InvalidInput(f"{file} does not attend to words; draw without attention", field="attention")
    side = _side(file)
    coarse = [level for level in found if side >> level <= _FINEST]
    return found[min(coarse) if coarse else max(found)]


def _side(file: Path) -> int:
    """Places a side of the latents that the graph in a file was made for."""
    config = file.with_name(_CONFIG)
    size = read_object(config).get("sample_size")
    sides = [side for side in (size if isinstance(size, list) else [size]) if isinstance(side, int)]
    if not sides:
        raise InvalidInput(f"{config}: sample_size must be a whole number or two", field="sample_size")
    return max(sides)


def _softmax_behind(weight: str, readers: dict[str, list[NodeProto]]) -> str | None:
    waiting, seen = deque([weight]), {weight}
    while waiting:
        for node in readers.get(waiting.popleft(), ()):
            if node.op_type == "Softmax":
                return str(node.output[0])
            fresh = set() if node.op_type == "Shape" else set(node.output) - seen
            seen |= fresh
            waiting.extend(fresh)
    return None


def tell_attention(graph: GraphProto, tensors: list[str]) -> None:
    """Let a graph give the mean of these tensors over heads and layers, (B, h x w, T), as `ATTENTION`."""
    import onnx

    axes = f"{ATTENTION}_axes"
    graph.initializer.append(onnx.helper.make_tensor(axes, onnx.TensorProto.INT64, [1], [1]))
    means = [f"{ATTENTION}_{k}" for k in range(len(tensors))]
    for tensor, mean in zip(tensors, means, strict=True):
        graph.node.append(onnx.helper.make_node("ReduceMean", [tensor, axes], [mean], name=mean, keepdims=0))
    graph.node.append(onnx.helper.make_node("Mean", means, [ATTENTION], name=ATTENTION))
    graph.output.append(onnx.helper.make_tensor_value_info(ATTENTION, onnx.TensorProto.FLOAT, None))
