"""The networks of an AttnGAN as graphs: what each takes, gives, and is called."""

from __future__ import annotations

from torch import Tensor, nn

from ..plans import Plan
from .generator import Generator
from .text import TextEncoder


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


def plans(text: TextEncoder, generator: Generator) -> list[Plan]:
    """The graphs text_encoder and generator; a port of a picture or its word attention ends in its pixels a side."""
    shape = generator.shape
    words = {"words": (shape.text_width, shape.tokens), "sentence": (shape.text_width,)}
    mask = {"mask": (shape.tokens,)}
    pictures = {f"picture_{side}": (3, side, side) for side in shape.sides}
    attention = {f"attention_{side}": (shape.tokens, side, side) for side in shape.sides[:-1]}
    return [
        Plan(
            "text_encoder",
            _Text(text),
            {"input_ids": (shape.tokens,), **mask},
            words,
            {"input_ids": shape.vocabulary},
        ),
        Plan(
            "generator",
            _Generator(generator),
            {**words, **mask, "noise": (shape.noise,), "further": (shape.condition,)},
            {**pictures, **attention},
        ),
    ]
