"""The networks of a Parti as graphs: what each takes, gives, and is called, and the file that its weights lie in."""

from __future__ import annotations

from torch import Tensor, nn

from ..plans import Plan, count
from .image_tokenizer import ImageTokenizer
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


class _Detokenizer(nn.Module):
    def __init__(self, network: ImageTokenizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> tuple[Tensor]:
        return (self.network.decode_tokens(tokens),)


def plans(tokenizer: ImageTokenizer, transformer: TokenTransformer) -> list[Plan]:
    """The graphs text_encoder, decoder (one token) and detokenizer; the first two share a file of weights."""
    shape, image = transformer.shape, tokenizer.shape
    codes, places, length = image.codes, image.side**2, shape.text_tokens
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
            _Decoder(transformer),
            {
                "given": (shape.given,),
                "position": (),
                **memory,
                **mask,
                "cache": (shape.decoder_layers, 2, shape.heads, places, shape.head),
            },
            {
                "scores": (codes,),
                "kept": (shape.decoder_layers, 2, shape.heads, shape.head),
                "looked": (length,),
            },
            {"given": codes + 1, "position": places},
            "transformer",
            count(transformer) - text,
        ),
        Plan(
            "detokenizer",
            _Detokenizer(tokenizer),
            {"tokens": (places,)},
            {"picture": (3, image.size, image.size)},
            {"tokens": codes},
            "tokenizer",
            count(tokenizer.decoder, tokenizer.drawing, tokenizer.wide, tokenizer.quantizer),
        ),
    ]
