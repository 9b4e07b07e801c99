"""The manifest of a model directory: what `limner.json` says, checked on reading and on writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import InvalidInput, NotFound

MANIFEST_NAME = "limner.json"


Precision = Literal["float32", "bfloat16", "int8"]
"""What a model is drawn in where the processor can: int8 are the layers that a table beside the graph names, and
bfloat16 the rest."""


Decoder = Literal["full", "tiny"]
"""What makes the picture of the last latent: the autoencoder's decoder, or a tiny one, fast and coarse."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tensor(_Part):
    """A named input or output of a graph; a dimension is a number, or a name such as "B" where it varies."""

    name: str
    dtype: Literal["float32", "int64", "int32"]
    shape: tuple[int | str, ...]


class Graph(_Part):
    """A network as a file: an ONNX graph whose weights lie beside it."""

    path: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int


class SamplerDefaults(_Part):
    """What a request gets when it does not say: sampler, number of steps, guidance and where it applies.

    `guidance_interval` is the part of the steps that is guided, as fractions of the whole, first to last. Of every
    `feature_reuse` steps the first computes the whole denoiser, and the others use its deep features again (1: none).
    """

    sampler: Literal["ddim", "euler", "dpm++2m"] = "dpm++2m"
    steps: Annotated[int, Field(ge=1, le=150)] = 20
    guidance_scale: Annotated[float, Field(ge=1, le=30)] = 4.0
    guidance_interval: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] = (
        0.0,
        1.0,
    )
    feature_reuse: Annotated[int, Field(ge=1, le=10)] = 1

    @field_validator("guidance_interval")
    @classmethod
    def _first_before_last(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if interval[0] > interval[1]:
            raise ValueError("the first share must not be above the last")
        return interval


class TokenDefaults(_Part):
    """What a request gets from a model that draws token by token, when it does not say.

    `steps` are the rows of tokens, each of which counts as a step; scores are guided by `guidance_scale`, divided by
    `temperature`, and one of the `top_k` best tokens is drawn.
    """

    steps: Annotated[int, Field(ge=1, le=512)]
    guidance_scale: Annotated[float, Field(ge=1, le=30)] = 1.5
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    top_k: Annotated[int, Field(ge=1, le=65_536)] = 64


class Preview(_Part):
    """A linear map from latent to RGB: rgb = latent . matrix + bias, in 0..1; matrix is (channels, 3)."""

    matrix: tuple[tuple[float, float, float], ...]
    bias: tuple[float, float, float]


class Layout(_Part):
    """The further latent channels that say where which subject stands, where a model has them.

    Mean and deviation of each channel, the names of the kinds of subject that have a code of their own, in the order
    of their codes, and how many drawings of a kind are told apart; how many of the last names each tuning brought. A
    model may have the first of the channels alone, which say where subjects are and not which.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: tuple[str, ...] = ()
    drawings: int = 1
    further: tuple[int, ...] = ()


class Size(_Part):
    """A picture size in pixels."""

    width: int
    height: int


class Parted(_Part):
    """A set that was learned from but for a share of it, which the seed chose (`limner.data.split`), and the folder
    where it lay, but for what was drawn."""

    data_hash: str
    held_out: float
    seed: int
    folder: str | None = None


class Lineage(_Part):
    """Where the weights come from; `hours` and `examples` of training are with those of the `parent`, and `before` are
    the sets that the models before it learned from."""

    data: str
    data_hash: str
    parent: str | None = None
    recipe: str
    commit: str
    hardware: str
    hours: float
    examples: int
    before: tuple[Parted, ...] = ()

    def learned(self) -> tuple[Parted, ...]:
        """All sets that these weights have learned from, as far as recipes say how they were parted."""
        try:
            recipe = json.loads(self.recipe)
            share, seed = float(recipe["data"]["held_out"]), int(recipe.get("seed", 0))
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.before
        own = Parted(data_hash=self.data_hash, held_out=share, seed=seed, folder=self.folder)
        return (*self.before, own)

    @property
    def folder(self) -> str | None:
        """The folder of pictures that was learned from last, where the recipe names one."""
        try:
            folder = json.loads(self.recipe)["data"]["folder"]
        except (ValueError, KeyError, TypeError):
            return None
        return folder if isinstance(folder, str) else None


class Manifest(_Part):
    """One version of one model.

    `sampler` and `preview` are None where a model does not denoise: there are no steps to choose, and no latents.
    `tokens` are there where it draws token by token.
    The first of `sizes` is what a request gets by default. A matcher draws nothing: its one size is what it looks at.
    """

    format: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    title: str
    description: str
    family: Literal["diffusion", "attngan", "parti", "matcher"]
    precision: Precision = "bfloat16"
    decoder: Decoder = "full"
    graphs: dict[str, Graph]
    sampler: SamplerDefaults | None = SamplerDefaults()
    tokens: TokenDefaults | None = None
    sizes: tuple[Size, ...]
    preview: Preview | None
    layout: Layout | None = None
    vocabulary: tuple[str, ...] | None = None
    licence: str
    lineage: Lineage

    @model_validator(mode="after")
    def _steps_as_the_family_has_them(self) -> Self:
        """A sampler and a preview in a diffusion model and in no other, tokens in one of Parti's and in no other."""
        wanted = self.family == "diffusion"
        if (self.sampler is not None, self.preview is not None) != (wanted, wanted):
            raise ValueError(
                f"a model of family {self.family} has {'a' if wanted else 'no'} sampler and preview"
            )
        if (self.tokens is not None) != (self.family == "parti"):
            raise ValueError(
                f"a model of family {self.family} has {'' if self.tokens is None else 'no '}tokens"
            )
        return self

    @property
    def draws(self) -> bool:
        """Whether it is a model that draws; a matcher judges what others draw."""
        return self.family != "matcher"

    @property
    def way(self) -> str:
        """How a model that does not denoise draws, in words."""
        if not self.draws:
            return "nothing"
        return "token by token" if self.tokens is not None else "in one step"

    @property
    def stepping(self) -> SamplerDefaults:
        """The sampler of a model that denoises; InvalidInput of one that does not."""
        if self.sampler is None:
            raise InvalidInput(f"model '{self.name}' is of family {self.family}, which draws {self.way}")
        return self.sampler

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read `limner.json` of a model directory; NotFound without one, InvalidInput where it is wrong."""
        file = directory / MANIFEST_NAME
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"{directory} is not a model directory: it has no {MANIFEST_NAME}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{file}: {where}: {first['msg']}", field=where) from None

    def write(self, directory: Path) -> None:
        """Write `limner.json` into a model directory."""
        (directory / MANIFEST_NAME).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
