"""Graph templates: the networks of Stable Diffusion's published configurations, without weights.

A template is a folder with `template.json` (which configuration it is of, its inputs and outputs) and a compressed
graph. A checkpoint of that configuration is served by binding the graph to its weights: no torch, no conversion,
seconds. `families/diffusion/template_export.py` makes them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ....errors import InvalidInput
from ....registry.manifest import Graph, Tensor
from ....registry.onnx_weights import bind
from ....registry.weight_files import Written

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
LISTED, GRAPH = "template.json", "model.onnx.gz"
PREFIX = "network."  # of every parameter's name in a graph

_OF_NO_ACCOUNT = {
    "architectures", "attention_dropout", "bos_token_id",
    "dropout", "dtype", "eos_token_id", "force_upcast", "initializer_factor", "initializer_range", "model_type",
    "pad_token_id", "projection_dim", "sample_size", "scaling_factor", "torch_dtype", "transformers_version",
    "upcast_attention",
}  # fmt: skip


class Template(BaseModel):
    """A network of one configuration.

    `part` is the folder of its weights, `graph` its name in the manifest and `file` in the model directory; `config`
    are the arguments of its class, and `defaults` what the class takes where a configuration says nothing; `weights`
    are the shapes of all tensors of the part, also of those that the graph does not use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    graph: str
    file: str
    config: dict[str, Any]
    defaults: dict[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: dict[str, tuple[int, ...]]

    def fits(self, config: Mapping[str, Any]) -> bool:
        """Whether a part's `config.json` means this network."""
        keys = (self.config.keys() | config.keys()) - _OF_NO_ACCOUNT
        told = self.defaults | dict(config)
        return all(_same(told.get(key), self.config.get(key)) for key in keys if not key.startswith("_"))

    def check(self, tensors: Mapping[str, Written], within: str) -> None:
        """Raise InvalidInput unless `tensors`, whose names begin with `within`, are all of the part's weights."""
        for name, shape in self.weights.items():
            tensor = tensors.get(within + name)
            if tensor is None:
                raise InvalidInput(
                    f"{self.part} lacks tensor {within + name!r} {list(shape)}; the checkpoint is incomplete"
                )
            if tensor.shape != shape:
                raise InvalidInput(
                    f"{self.part}: tensor {within + name!r} is {list(tensor.shape)}, "
                    f"its configuration needs {list(shape)}"
                )


def _same(one: object, other: object) -> bool:
    return one == other or (not one and not other)


def templates(part: str, config: Mapping[str, Any], folder: Path = TEMPLATES) -> list[tuple[Template, Path]]:
    """The templates of all graphs of a part with this configuration, and their folders; none where it is another."""
    found = []
    for listed in sorted(folder.glob(f"*/{LISTED}")):
        template = Template.model_validate_json(listed.read_bytes())
        if template.part == part and template.fits(config):
            found.append((template, listed.parent))
    return found


def read_graph(folder: Path) -> ModelProto:
    """The graph of a template, its weights still to be bound."""
    import onnx

    return onnx.load_from_string(gzip.decompress((folder / GRAPH).read_bytes()))


def _weights(graph: ModelProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    for tensor in graph.graph.initializer:
        if _is_weight(tensor):
            yield tensor.name.removeprefix(PREFIX), tuple(tensor.dims)


def put(template: Template, graph: ModelProto, directory: Path, weights: Path, within: str) -> Graph:
    """Bind the graph to the weights' file and write it beside it; gives its entry in the manifest."""
    import onnx

    count = sum(prod(shape) for _, shape in _weights(graph))
    bind(graph, weights, PREFIX, within)
    onnx.save_model(graph, directory / template.file)
    return Graph(path=template.file, inputs=template.inputs, outputs=template.outputs, parameters=count)


def _is_weight(tensor: TensorProto) -> bool:
    """Whether this is a parameter; a buffer that counts positions is part of the graph."""
    return tensor.name.startswith(PREFIX) and tensor.data_type == tensor.FLOAT
