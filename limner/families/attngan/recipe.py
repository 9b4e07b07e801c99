"""What a recipe of the AttnGAN family says: the text and image encoders (DAMSM), then the adversarial networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...training.recipe import Optimisation, Rate, Recipe, Said, Share, Weight, must
from .loss import Sharpness
from .shape import Shape, Width

_Tokens = Annotated[int, Field(ge=2, le=256)]
_Factor = Annotated[float, Field(gt=0, le=1000)]


class Damsm(Optimisation):
    """The text encoder and the image encoder, which learn to find each other's words and regions.

    A caption is cut to `words` words for training, any that keep their order, and a text to `words_drawn` when a
    picture is drawn. Words that occur fewer than `at_least` times are unknown ones, and so is a share `unknown_share`
    of all others, so that the unknown word is learned too; of what the LSTM sees of any word a share `dropout` is left
    out. For every picture whose scene graph the set tells, `wrong` captions are made that one atom makes wrong: each
    picture is held against one of them, here and by the adversarial networks. Half of the pictures are mirrored with
    `flip`, and a share `blurred` is made coarse, as drawn ones are. The image encoder halves a picture once for each of
    `channels`; with `inception`, a file of torchvision's weights, it is Inception-v3 as in the paper. The three factors
    are gamma 1, 2 and 3 of the paper.
    """

    embedding: Width = 300
    text_width: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 256
    words: _Tokens = 18
    words_drawn: _Tokens = 25
    at_least: Annotated[int, Field(ge=1)] = 1
    unknown_share: Share = 0.01
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    wrong: Annotated[int, Field(ge=0, le=64)] = 0
    flip: bool = False
    blurred: Share = 0.0
    channels: Annotated[tuple[Width, ...], Field(min_length=2, max_length=8)] = (48, 96, 192, 384)
    inception: Path | None = None
    sharpness_regions: _Factor = 4.0
    sharpness_words: _Factor = 5.0
    sharpness_batch: _Factor = 10.0
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 48
    learning_rate: Rate = 2e-3
    weight_decay: Share = 0.0

    @property
    def sharpness(self) -> Sharpness:
        """The factors together."""
        return Sharpness(self.sharpness_regions, self.sharpness_words, self.sharpness_batch)


class Gan(Optimisation):
    """The generator and its discriminators; what is not said of the widths is in `Shape`.

    `discriminator_channels` are those of a discriminator's first layer. The match of words and sentence with the
    largest picture weighs `match_weight` (the paper's lambda), the divergence of the conditioning augmentation
    `kl_weight`. The optimisers, of the discriminators first and then of the generator, are both as this table says;
    the moving average is the generator's.
    """

    noise: Width = 100
    condition: Width = 100
    channels: Annotated[int, Field(ge=2, le=512)] = 32
    doublings: Annotated[int, Field(ge=1, le=6)] = 4
    stages: Annotated[int, Field(ge=1, le=4)] = 3
    residuals: Annotated[int, Field(ge=1, le=8)] = 2
    discriminator_channels: Annotated[int, Field(ge=1, le=512)] = 64
    match_weight: Weight = 5.0
    kl_weight: Weight = 1.0
    flip: bool = False
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 20
    learning_rate: Rate = 2e-4
    final_rate: Share = 1.0
    warmup: Annotated[int, Field(ge=0)] = 0
    weight_decay: Share = 0.0
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    clip: Annotated[float, Field(gt=0)] = 1e6


class About(Said):
    """What the exported model says of itself; a picture in one step need not be drawn in fewer bits."""

    precision: Literal["float32", "bfloat16"] = "float32"


class Training(Recipe):
    """A model trained from pictures: the data, the two stages, the model that comes out.

    Pictures are cut to the generator's largest at random where `data.size` is larger.
    """

    trainer: ClassVar[str] = "limner.families.attngan.training"
    stages: ClassVar[Mapping[str, str]] = {"damsm": "damsm", "gan": "gan"}
    from_nothing: ClassVar[bool] = True

    family: Literal["attngan"] = "attngan"
    damsm: Damsm
    gan: Gan
    model: About

    def shape(self, vocabulary: int = 2) -> Shape:
        """The widths of the networks for a vocabulary of so many words."""
        damsm, gan = self.damsm, self.gan
        return Shape(
            vocabulary=vocabulary,
            tokens=damsm.words_drawn,
            embedding=damsm.embedding,
            text_width=damsm.text_width,
            noise=gan.noise,
            condition=gan.condition,
            channels=gan.channels,
            doublings=gan.doublings,
            stages=gan.stages,
            residuals=gan.residuals,
        )

    def files(self) -> tuple[Path, ...]:
        """The weights of Inception-v3."""
        return () if self.damsm.inception is None else (self.damsm.inception,)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        side, halvings = self.shape().sides[-1], len(self.damsm.channels)
        must(
            self.data.size >= side,
            "data.size",
            f"must be at least {side}, the generator's largest picture, not {self.data.size}",
        )
        must(
            self.damsm.inception is not None or side % 2**halvings == 0,
            "damsm.channels",
            f"must be fewer: pictures of {side} pixels cannot be halved {halvings} times",
        )
        for name, table in (("damsm", self.damsm), ("gan", self.gan)):
            must(
                table.batch_size // table.accumulation >= 2,
                f"{name}.accumulation",
                f"must leave at least 2 examples to a part, not {table.batch_size} / {table.accumulation}",
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
