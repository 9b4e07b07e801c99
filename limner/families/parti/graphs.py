"""The networks of a Parti as graphs: what each takes, gives, and is called, and the file that its weights lie in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...registry.manifest import Graph
from ...registry.manifest import Tensor as Port
from .image_tokenizer import ImageTokenizer
from .transformer import TokenTransformer

PREFIX = "network."
WEIGHTS = "model.safetensors"


class _Text(nn.Module):
    def __init__(self, network: TokenTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, mask: Tensor) -> tuple[Tensor]:
        return (self.network.remember(input_ids, mask),)


class _Decoder(nn.Module):
    def __init__(self, network: TokenTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, given: Tensor, position: Tensor, memory: Tensor, mask: Tensor, cache: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.network.step(given, position, memory, mask, cache)


class _Detokenizer(nn.Module):
    def __init__(self, network: ImageTokenizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> tuple[Tensor]:
        return (self.network.decode_tokens(tokens),)


_NUMBERS = ("input_ids", "given", "position", "tokens")


@dataclass(frozen=True)
class Plan:
    """One graph to be: its torch network, the folder of its weights, its ports without the batch axis, and what numbers
    its whole-numbered inputs stay below. `parts` are those of the network that it uses."""

    name: str
    folder: str
    network: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    below: Mapping[str, int]
    parameters: int

    @property
    def file(self) -> str:
        """The graph's file in a model directory; its weights lie beside it."""
        return f"{self.folder}/{self.name}.onnx"

    def random_inputs(self, rows: int, seed: int) -> dict[str, Tensor]:
        """Inputs of `rows` rows: normal numbers, whole ones below what is allowed, texts of any length."""
        generator = torch.Generator().manual_seed(seed)
        made: dict[str, Tensor] = {}
        for name, shape in self.inputs.items():
            if name in self.below:
                made[name] = torch.randint(self.below[name], (rows, *shape), generator=generator)
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
                Port(name=name, dtype="int64" if name in _NUMBERS else "float32", shape=("B", *shape))
                for name, shape in self.inputs.items()
            ),
            outputs=tuple(
                Port(name=name, dtype="float32", shape=("B", *shape)) for name, shape in self.outputs.items()
            ),
            parameters=self.parameters,
        )


def _count(*parts: nn.Module) -> int:
    return sum(weight.numel() for part in parts for weight in part.parameters())


def plans(tokenizer: ImageTokenizer, transformer: TokenTransformer) -> list[Plan]:
    """The graphs text_encoder, decoder (one token) and detokenizer; the first two share a file of weights."""
    shape, image = transformer.shape, tokenizer.shape
    codes, count, length = image.codes, image.side**2, shape.text_tokens
    memory = {"memory": (shape.decoder_layers, 2, shape.heads, length, shape.head)}
    mask = {"mask": (length,)}
    text = _count(transformer.encoder, transformer.encoder_norm, transformer.text_embedding)
    return [
        Plan(
            "text_encoder",
            "transformer",
            _Text(transformer),
            {"input_ids": (length,), **mask},
            memory,
            {"input_ids": shape.text_vocabulary},
            text,
        ),
        Plan(
            "decoder",
            "transformer",
            _Decoder(transformer),
            {
                "given": (shape.given,),
                "position": (),
                **memory,
                **mask,
                "cache": (shape.decoder_layers, 2, shape.heads, count, shape.head),
            },
            {
                "scores": (codes,),
                "kept": (shape.decoder_layers, 2, shape.heads, shape.head),
                "looked": (length,),
            },
            {"given": codes + 1, "position": count},
            _count(transformer) - text,
        ),
        Plan(
            "detokenizer",
            "tokenizer",
            _Detokenizer(tokenizer),
            {"tokens": (count,)},
            {"picture": (3, image.size, image.size)},
            {"tokens": codes},
            _count(tokenizer.decoder, tokenizer.drawing, tokenizer.wide, tokenizer.quantizer),
        ),
    ]
