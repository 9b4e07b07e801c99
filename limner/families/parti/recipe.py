"""What a recipe of the Parti family says: the image tokenizer, its decoder, the transformer over its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...data.captioned import Item
from ...errors import InvalidInput
from ...registry.manifest import TokenDefaults
from ...training.recipe import Count, Optimisation, Rate, Recipe, Said, Share, Weight, must
from .shape import (
    MOST_TEXT_TOKENS,
    PRESETS,
    Channels,
    ImageTokens,
    Layers,
    Shape,
    Subjects,
    Transformer,
    Width,
)

NEEDS_MASKS = (
    "transformer.planned needs masks of subjects, and no training picture has one; "
    "set planned = 0 in [transformer]"
)
_Heads = Annotated[int, Field(ge=1, le=256)]


class Tokenizer(Optimisation):
    """The image tokenizer and its loss; what its widths mean is in `shape.ImageTokens`. The defaults are small.

    The loss is L1 on pixels plus `edge_weight` times L1 on their differences, pixels of subjects weighing
    1 + `mask_weight` where the set has masks; `perceptual_weight` times the distance of fixed random features;
    `code_weight` times the squared distance of codes to what they stand for, and `commitment` (beta) times that of
    vectors to their codes: more of it keeps more codes in use, less learns pixels sooner. With
    `subject_weight` a small head must read off each code which kind of subject it shows, where the set has masks and
    names them. Codes used less than a twentieth of an even share begin anew, every `revive_every` steps until
    `revive_until` of them.
    """

    patch: Annotated[int, Field(ge=1, le=64)] = 8
    width: Width = 96
    layers: Layers = 2
    heads: _Heads = 3
    mlp: Width = 384
    code_width: Width = 16
    codes: Annotated[int, Field(ge=2, le=65_536)] = 1024
    convolutions: Channels = (16, 32, 64)
    edge_weight: Weight = 1.0
    mask_weight: Weight = 3.0
    perceptual_weight: Weight = 0.1
    code_weight: Weight = 4.0
    commitment: Weight = 0.25
    subject_weight: Weight = 0.05
    revive_every: Count = 20
    revive_until: Share = 0.7
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 16
    learning_rate: Rate = 2e-3
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998

    def image(self, size: int) -> ImageTokens:
        """The widths of the network for pictures of `size` pixels."""
        told = {name: getattr(self, name) for name in ImageTokens.model_fields if name != "size"}
        return ImageTokens(size=size, **told)


class Decoder(Optimisation):
    """How the image tokenizer's decoder learns on when its tokens no longer change; `steps = 0` leaves it out.

    The loss is the tokenizer's of pixels. On average `mistaken` of the tokens are others, near those in their places,
    for a transformer mistakes some, too.
    """

    steps: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 16
    edge_weight: Weight = 1.0
    mask_weight: Weight = 6.0
    perceptual_weight: Weight = 0.1
    mistaken: Annotated[float, Field(ge=0, le=0.5)] = 0.1


class Decoding(Optimisation):
    """The transformer from texts to image tokens, and its loss.

    `preset` names one of the published sizes (350M, 750M, 3B, 20B), whose widths the other keys then change;
    what they mean is in `shape.Transformer`. The text tokenizer has at most `text_vocabulary` pieces. The loss is the
    cross entropy of the next token; tokens weigh 1 + `mask_weight` times the share of their square that shows a
    subject. `caption_dropout` of the captions are replaced by the empty one, which guidance needs. For the first
    `simple_until` of the steps only pictures with one subject are shown, where the set says how many there are.
    Before a picture the tones of its background and up to `planned` subjects are written down, where the set has masks
    (`planning.py`), each token that says something weighing `plan_weight`, and the decoder of tokens is told of them,
    too; 0 goes without. For the first
    `plans_until` of the steps plans alone are learned, of four times as many pictures at a step, which teaches what
    words mean: among the tokens of pictures they are too few for that.
    """

    preset: Literal["350M", "750M", "3B", "20B"] | None = None
    text_vocabulary: Annotated[int, Field(ge=64, le=1_000_000)] = 640
    text_tokens: Annotated[int, Field(ge=2, le=MOST_TEXT_TOKENS)] = 32
    encoder_layers: Layers = 2
    decoder_layers: Layers = 4
    width: Width = 192
    mlp: Width = 576
    heads: _Heads = 3
    tied: bool = True
    above: Annotated[int, Field(ge=0, le=1024)] = 32
    dropout: Share = 0.1
    caption_dropout: Share = 0.1
    mask_weight: Weight = 0.0
    simple_until: Share = 0.0
    planned: Annotated[int, Field(ge=0, le=8)] = 0
    plan_weight: Annotated[float, Field(gt=0, le=1000)] = 4.0
    plans_until: Share = 0.0
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 32
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.96
    weight_decay: Share = 0.045
    clip: Annotated[float, Field(gt=0)] = 4.0

    @model_validator(mode="before")
    @classmethod
    def _widths_of_the_preset(cls, told: Any) -> Any:
        """Fill in what a preset says and the table does not."""
        preset = PRESETS.get(str(told.get("preset"))) if isinstance(told, dict) else None
        return told if preset is None else preset.model_dump() | told

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        _divides(self.heads, self.width)
        return self

    @model_validator(mode="after")
    def _there_are_plans(self) -> Self:
        must(
            bool(self.planned) or not self.plans_until, "plans_until", "needs planned, how many subjects are"
        )
        return self

    def transformer(self, vocabulary: int) -> Transformer:
        """The widths of the network for a text tokenizer of so many pieces."""
        told = {name: getattr(self, name) for name in Transformer.model_fields if name != "text_vocabulary"}
        return Transformer(text_vocabulary=vocabulary, **told)


def _divides(heads: int, width: int) -> None:
    must(width % heads == 0, "heads", f"must divide width ({width}), and {heads} does not")


class About(Said):
    """What the exported model says of itself, and what its requests get by default."""

    precision: Literal["float32", "bfloat16"] = "float32"
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    top_k: Annotated[int, Field(ge=1, le=65_536)] = 64
    guidance_scale: Annotated[float, Field(ge=1, le=30)] = 1.5


class Training(Recipe):
    """A model trained from pictures: the data, the image tokenizer, its decoder again, the transformer, the model."""

    trainer: ClassVar[str] = "limner.families.parti.training"
    stages: ClassVar[Mapping[str, str]] = {
        "tokenizer": "tokenizer",
        "decoder": "decoder",
        "transformer": "transformer",
    }
    from_nothing: ClassVar[bool] = True

    family: Literal["parti"] = "parti"
    tokenizer: Tokenizer
    decoder: Decoder = Decoder()
    transformer: Decoding
    model: About

    def shape(self, vocabulary: int = 4, subjects: Subjects | None = None) -> Shape:
        """The widths of all networks for a text tokenizer of so many pieces, and what is planned."""
        return Shape(
            image=self.tokenizer.image(self.data.size),
            transformer=self.transformer.transformer(vocabulary),
            subjects=subjects,
        )

    def check_pictures(self, items: Sequence[Item]) -> None:
        """InvalidInput where subjects are to be planned and no picture has a mask."""
        if self.transformer.planned and not any(item.mask for item in items):
            raise InvalidInput(NEEDS_MASKS, "transformer.planned")

    def defaults(self) -> TokenDefaults:
        """What requests of the model get by default."""
        about = self.model
        return TokenDefaults(
            steps=self.data.size // self.tokenizer.patch,
            guidance_scale=about.guidance_scale,
            temperature=about.temperature,
            top_k=about.top_k,
        )

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        patch, halvings = self.tokenizer.patch, len(self.tokenizer.convolutions)
        must(
            self.data.size % patch == 0,
            "data.size",
            f"must be a multiple of {patch}, the tokenizer's patch, not {self.data.size}",
        )
        must(
            self.tokenizer.width % self.tokenizer.heads == 0,
            "tokenizer.heads",
            f"must divide width ({self.tokenizer.width}), and {self.tokenizer.heads} does not",
        )
        must(
            not halvings or 2**halvings == patch,
            "tokenizer.convolutions",
            f"must be as many as halve a patch of {patch} to one, or none, not {halvings}",
        )
        must(
            self.data.folder is not None or self.data.storybook_count > 0,
            "data.storybook_count",
            "must be above 0 where no data.folder is named",
        )
        return self


def kind_of(tables: Mapping[str, Any]) -> type[Recipe]:
    """Which recipe these tables are."""
    return Training
