"""The networks of a Parti as graphs: what each takes, gives, and is called, and the file that its weights lie in."""

from __future__ import annotations

from torch import Tensor, nn

from ..plans import Plan, count
from .image_tokenizer import ImageTokenizer
from .planning import TOLD
from .transformer import TokenTransformer


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


class _PlannedDecoder(nn.Module):
    def __init__(self, network: TokenTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, given: Tensor, position: Tensor, told: Tensor, memory: Tensor, mask: Tensor, cache: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.network.step(given, position, memory, mask, cache, told)


class _Detokenizer(nn.Module):
    def __init__(self, network: ImageTokenizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> tuple[Tensor]:
        return (self.network.decode_tokens(tokens),)


class _PlannedDetokenizer(nn.Module):
    def __init__(self, network: ImageTokenizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, told: Tensor) -> tuple[Tensor]:
        return (self.network.decode_tokens(tokens, told),)


def plans(tokenizer: ImageTokenizer, transformer: TokenTransformer) -> list[Plan]:
    """The graphs text_encoder, decoder (one token) and detokenizer; the first two share a file of weights."""
    shape, image = transformer.shape, tokenizer.shape
    squares, length = image.side**2, shape.text_tokens
    places, vocabulary = transformer.planned + squares, transformer.image_embedding.num_embeddings
    planned = transformer.planning is not None
    told: dict[str, tuple[int, ...]] = {"told": (TOLD,)} if planned else {}
    given = vocabulary, *[image.codes + 1] * (shape.given - 1)  # nothing of a plan is above a picture
    memory = {"memory": (shape.decoder_layers, 2, shape.heads, length, shape.head)}
    mask = {"mask": (length,)}
    text = count(transformer.encoder, transformer.encoder_norm, transformer.text_embedding)
    return [
        Plan(
            "text_encoder",
            _Text(transformer),
            {"input_ids": (length,), **mask},
            memory,
            {"input_ids": shape.text_vocabulary},
            "transformer",
            text,
        ),
        Plan(
            "decoder",
            _PlannedDecoder(transformer) if planned else _Decoder(transformer),
            {
                "given": (shape.given,),
                "position": (),
                **told,
                **memory,
                **mask,
                "cache": (shape.decoder_layers, 2, shape.heads, places, shape.head),
            },
            {
                "scores": (vocabulary if planned else image.codes,),
                "kept": (shape.decoder_layers, 2, shape.heads, shape.head),
                "looked": (length,),
            },
            {"given": given, "position": places},
            "transformer",
            count(transformer) - text,
        ),
        Plan(
            "detokenizer",
            _PlannedDetokenizer(tokenizer) if planned else _Detokenizer(tokenizer),
            {"tokens": (squares,), **({"told": (squares, TOLD)} if planned else {})},
            {"picture": (3, image.size, image.size)},
            {"tokens": image.codes},
            "tokenizer",
            count(*_decoding(tokenizer)),
        ),
    ]


def _decoding(tokenizer: ImageTokenizer) -> list[nn.Module]:
    parts = [tokenizer.decoder, tokenizer.drawing, tokenizer.wide, tokenizer.quantizer]
    return parts if tokenizer.told is None else [*parts, tokenizer.told]
