"""What a recipe of a matcher says: the two towers and how they learn to find each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ...training.recipe import Optimisation, Rate, Recipe, Said, Share, must
from .shape import Layers, Shape, Width


class Towers(Optimisation):
    """The image tower and the text tower; what is not said of the widths is in `Shape`.

    For every picture whose scene graph the set tells, `wrong` captions are made that are wrong by one atom, and a
    batch has `wrong_each` of them a picture. Pictures are moved by at most `shift` pixels, and a share `blurred` of
    them is made coarse. Words that occur fewer than `at_least` times are unknown ones, and so is a share
    `unknown_share` of all others.
    """

    channels: Annotated[tuple[Width, ...], Field(min_length=1, max_length=6)] = (64, 128, 160)
    image_layers: Layers = 2
    text_width: Width = 128
    text_layers: Layers = 2
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    width: Width = 128
    words: Annotated[int, Field(ge=2, le=255)] = 31
    at_least: Annotated[int, Field(ge=1)] = 1
    unknown_share: Share = 0.01
    wrong: Annotated[int, Field(ge=0, le=64)] = 8
    wrong_each: Annotated[int, Field(ge=1, le=64)] = 1
    shift: Annotated[int, Field(ge=0, le=64)] = 6
    blurred: Share = 0.25
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 96
    learning_rate: Rate = 1e-3
    weight_decay: Share = 0.05


class About(Said):
    """What the exported model says of itself; its scores are compared, so that it is not run in fewer bits."""

    precision: Literal["float32", "bfloat16"] = "float32"


class Training(Recipe):
    """A matcher trained from captioned pictures: the data, the towers, the model that comes out."""

    trainer: ClassVar[str] = "limner.families.matcher.training"
    stages: ClassVar[Mapping[str, str]] = {"matcher": "matcher"}
    from_nothing: ClassVar[bool] = True

    family: Literal["matcher"] = "matcher"
    matcher: Towers
    model: About

    def shape(self, vocabulary: int = 2) -> Shape:
        """The widths of the towers for a vocabulary of so many words."""
        towers = self.matcher
        return Shape(
            vocabulary=vocabulary,
            tokens=towers.words + 1,
            side=self.data.size,
            channels=towers.channels,
            image_layers=towers.image_layers,
            text_width=towers.text_width,
            text_layers=towers.text_layers,
            heads=towers.heads,
            width=towers.width,
        )

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        try:
            self.shape()
        except ValidationError as error:
            message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            side = message.startswith("side")
            must(False, "data.size" if side else "matcher.heads", message.partition(" ")[2])
        towers = self.matcher
        must(
            towers.batch_size // towers.accumulation >= 2,
            "matcher.accumulation",
            f"must leave at least 2 examples to a part, not {towers.batch_size} / {towers.accumulation}",
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
