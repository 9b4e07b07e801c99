"""The networks of an AttnGAN as graphs: what each takes, gives, and is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...registry.manifest import Graph
from ...registry.manifest import Tensor as Port
from .generator import Generator
from .text import TextEncoder

PREFIX = "network."
WEIGHTS = "model.safetensors"


class _Text(nn.Module):
    def __init__(self, network: TextEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.unrolled(input_ids, mask)


class _Generator(nn.Module):
    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, words: Tensor, sentence: Tensor, mask: Tensor, noise: Tensor, further: Tensor
    ) -> tuple[Tensor, ...]:
        made = self.network(words, sentence, mask > 0.5, noise, further)
        return (*made.pictures, *made.attention)


@dataclass(frozen=True)
class Plan:
    """One graph to be: its torch network, and its ports without the batch axis."""

    name: str
    network: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    vocabulary: int = 0

    @property
    def file(self) -> str:
        """The graph's file in a model directory; its weights lie beside it."""
        return f"{self.name}/model.onnx"

    def random_inputs(self, rows: int, seed: int) -> dict[str, Tensor]:
        """Inputs of `rows` rows: normal numbers, ids of the vocabulary, texts of any length."""
        generator = torch.Generator().manual_seed(seed)
        made: dict[str, Tensor] = {}
        for name, shape in self.inputs.items():
            if name == "input_ids":
                made[name] = torch.randint(self.vocabulary, (rows, *shape), generator=generator)
            elif name == "mask":
                lengths = torch.randint(1, shape[0] + 1, (rows, 1), generator=generator)
                made[name] = (torch.arange(shape[0])[None] < lengths).float()
            else:
                made[name] = torch.randn((rows, *shape), generator=generator)
        return made

    def manifest(self) -> Graph:
        """What the manifest says of this graph."""
        return Graph(
            path=self.file,
            inputs=tuple(
                Port(name=name, dtype="int64" if name == "input_ids" else "float32", shape=("B", *shape))
                for name, shape in self.inputs.items()
            ),
            outputs=tuple(
                Port(name=name, dtype="float32", shape=("B", *shape)) for name, shape in self.outputs.items()
            ),
            parameters=sum(weight.numel() for weight in self.network.parameters()),
        )


def plans(text: TextEncoder, generator: Generator) -> list[Plan]:
    """The graphs text_encoder and generator; a port of a picture or its word attention ends in its pixels a side."""
    shape = generator.shape
    words = {"words": (shape.text_width, shape.tokens), "sentence": (shape.text_width,)}
    mask = {"mask": (shape.tokens,)}
    pictures = {f"picture_{side}": (3, side, side) for side in shape.sides}
    attention = {f"attention_{side}": (shape.tokens, side, side) for side in shape.sides[:-1]}
    return [
        Plan("text_encoder", _Text(text), {"input_ids": (shape.tokens,), **mask}, words, shape.vocabulary),
        Plan(
            "generator",
            _Generator(generator),
            {**words, **mask, "noise": (shape.noise,), "further": (shape.condition,)},
            {**pictures, **attention},
        ),
    ]
