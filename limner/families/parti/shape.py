"""The widths of a Parti's networks, as `parti.json` in its model directory says them, and the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InvalidInput, NotFound

SHAPE_NAME = "parti.json"
MOST_TEXT_TOKENS = 128
NEARBY = 2
"""Tokens above that a place may be given besides the one before it: straight above, and to the right of that."""

Width = Annotated[int, Field(ge=1, le=65_536)]
Layers = Annotated[int, Field(ge=1, le=256)]
Channels = Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(max_length=6)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageTokens(_Part):
    """From pictures to tokens and back (ViT-VQGAN, Yu et al. 2022); the defaults are the published small one.

    A picture of `size` pixels a side is cut in squares of `patch`, each of which becomes one of `codes` codes of
    `code_width` numbers. Encoder and decoder each have `layers` transformer layers. Where `convolutions` are named,
    patches are made and drawn by convolutions, with so many channels at half the size, a quarter and so on down to the
    patch, instead of one linear layer.
    """

    size: Annotated[int, Field(ge=8, le=4096)] = 256
    patch: Annotated[int, Field(ge=1, le=64)] = 8
    width: Width = 512
    layers: Layers = 8
    heads: Annotated[int, Field(ge=1, le=256)] = 8
    mlp: Width = 2048
    code_width: Width = 32
    codes: Annotated[int, Field(ge=2, le=65_536)] = 8192
    convolutions: Channels = ()

    @property
    def side(self) -> int:
        """Tokens a side."""
        return self.size // self.patch


class Transformer(_Part):
    """The encoder of texts and the decoder of image tokens; the defaults are the smallest published one.

    With `tied`, scores of tokens are read off by their embeddings. Where `above` is not 0, a place is also given the
    tokens above it and to the right of that, embedded in so many numbers each: what is drawn there goes on here.
    """

    text_vocabulary: Annotated[int, Field(ge=4, le=1_000_000)] = 16_000
    text_tokens: Annotated[int, Field(ge=2, le=MOST_TEXT_TOKENS)] = MOST_TEXT_TOKENS
    encoder_layers: Layers = 12
    decoder_layers: Layers = 12
    width: Width = 1024
    mlp: Width = 4096
    heads: Annotated[int, Field(ge=1, le=256)] = 16
    tied: bool = False
    above: Annotated[int, Field(ge=0, le=1024)] = 0

    @property
    def head(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads

    @property
    def given(self) -> int:
        """How many earlier tokens a place is given by name: the one before it, and those above."""
        return 1 + (NEARBY if self.above else 0)


class Subjects(_Part):
    """What is planned of a picture before it is drawn: up to `most` subjects of the kinds `names`, the first of which
    is what has no name, in so many `drawings` of each."""

    most: Annotated[int, Field(ge=1, le=8)]
    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)]
    drawings: Annotated[int, Field(ge=1, le=255)] = 1


class Shape(_Part):
    """Both halves of a model, and what both are told by a plan, where one is made first."""

    image: ImageTokens = ImageTokens()
    transformer: Transformer = Transformer()
    subjects: Subjects | None = None

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read `parti.json` of a model directory; NotFound without one, InvalidInput where it is wrong."""
        file = directory / SHAPE_NAME
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"'{file}' not found; it says how wide the networks are") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{file}: {key}: {first['msg']}", field=key) from None

    def write(self, directory: Path) -> None:
        """Write `parti.json` into a model directory."""
        (directory / SHAPE_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


PRESETS: Mapping[str, Transformer] = MappingProxyType(
    {
        "350M": Transformer(),
        "750M": Transformer(decoder_layers=36),
        "3B": Transformer(decoder_layers=36, width=2048, mlp=8192, heads=32),
        "20B": Transformer(encoder_layers=16, decoder_layers=64, width=4096, mlp=16_384, heads=64),
    }
)
"""The published transformers (Yu et al. 2022, table 1): 387M, 789M, 3.09B and 20.5B parameters for 32 x 32 tokens."""
