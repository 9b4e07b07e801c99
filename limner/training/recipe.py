"""Recipes: TOML files that say how a model is trained; an unknown or out-of-range key is an error that names it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..data.captioned import Item
from ..errors import InvalidInput, NotFound
from ..registry.manifest import SamplerDefaults
from ..registry.models import Model
from ..storybook.layout import Drawings

Count = Annotated[int, Field(ge=1, le=100_000_000)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Every = Annotated[int, Field(ge=0, le=100_000_000)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Table(BaseModel):
    """One table of a recipe: immutable, and no key that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _MisfitError(ValueError):
    """What two keys say does not go together; `key` is the one to change."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def must(holds: bool, key: str, message: str) -> None:
    """Within a validator: raise where something does not hold; `key` is the one to change."""
    if not holds:
        raise _MisfitError(key, message)


class Data(Table):
    """The captioned set: a folder, or so many pictures of a world of Storybook drawn on the spot, with
    `storybook_drawings` "still" or "one" every kind of subject in fewer ways (`limner data storybook --drawings`).

    `size` is the side of the square training pictures in pixels; `held_out` the share kept for validation; `cache` the
    folder for what is made of the pictures once, by default one in the folder of the run.
    """

    folder: Path | None = None
    storybook_world: str = "scenes"
    storybook_count: Annotated[int, Field(ge=0, le=10_000_000)] = 1000
    storybook_seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 1
    storybook_drawings: Drawings = "all"
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=8)] = 128
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    cache: Path | None = None

    @property
    def name(self) -> str:
        """What a model's lineage calls this set."""
        if self.folder is not None:
            return self.folder.resolve().name
        said = f"storybook {self.storybook_world}, {self.storybook_count} of seed {self.storybook_seed}"
        fewer = {"still": ", every drawing at rest", "one": ", one drawing of each kind"}
        return said + fewer.get(self.storybook_drawings, "")


class Optimisation(Table):
    """What the one training loop needs to know, whatever it trains.

    `steps` are optimiser steps of `batch_size` examples, split into `accumulation` parts; the learning rate
    rises over `warmup` steps and falls along a cosine to `final_rate` of its peak. `gradient_checkpointing`
    computes activations again on the way back instead of keeping them: less memory, about a third more time.
    With `compile` networks are compiled where training runs on a GPU: minutes first, then faster steps.
    The optimiser is AdamW, or Adafactor (Shazeer & Stern, 2018), which keeps two vectors for a matrix instead of two
    more matrices; its learning rate is a share of each weight's own size, so that 1e-3 is a usual one. `ema_decay` 0
    keeps no moving average, and `ema_on_cpu` keeps it out of a GPU's memory. `validate_every` and `sheet_every` may be
    0: never.
    """

    can_checkpoint: ClassVar[bool] = False
    """Whether what the table trains takes `gradient_checkpointing`."""

    steps: Count
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    accumulation: Annotated[int, Field(ge=1, le=4096)] = 1
    learning_rate: Rate = 1e-3
    final_rate: Share = 0.02
    warmup: Annotated[int, Field(ge=0)] = 100
    weight_decay: Share = 0.01
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.99
    clip: Annotated[float, Field(gt=0)] = 1.0
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    ema_on_cpu: bool = False
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = False
    compile: bool = False
    checkpoint_every: Count = 500
    validate_every: Every = 500
    sheet_every: Every = 500

    @model_validator(mode="after")
    def _parts_are_whole_and_kept(self) -> Self:
        must(
            self.batch_size % self.accumulation == 0,
            "accumulation",
            f"must divide batch_size ({self.batch_size}), and {self.accumulation} does not",
        )
        must(
            self.can_checkpoint or not self.gradient_checkpointing,
            "gradient_checkpointing",
            "is not for these networks: leave it out; accumulation takes less memory, too",
        )
        return self


class Said(Table):
    """What an exported model of any family says of itself."""

    name: Name
    version: Name = "1"
    title: str
    description: str
    licence: str = "Apache-2.0"
    precision: Literal["float32", "bfloat16"] = "bfloat16"


class About(Said):
    """And what the requests of one that draws in steps get by default."""

    sampler: SamplerDefaults = SamplerDefaults()


class Recipe(Table):
    """A whole training. What a family trains, and how, are the further tables of its own recipes.

    `trainer` is the module whose `train(recipe, data, out, resume)` runs it. `stages` are the tables that may change
    until their stage has begun, each with the folder in a run that shows it has. One `from_nothing` takes no parent.
    """

    trainer: ClassVar[str]
    stages: ClassVar[Mapping[str, str]]
    from_nothing: ClassVar[bool] = False

    family: Literal["diffusion", "attngan", "parti", "matcher"] = "diffusion"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    data: Data

    def files(self) -> tuple[Path, ...]:
        """What is read beside the set; a run goes on only while it is the same."""
        return ()

    def settled(self, parent: Model | None, folder: Path | None) -> Self:
        """The recipe with the set in `folder`, where one is named, and with what follows from the parent.

        InvalidInput where it takes none, or not this one.
        """
        if self.from_nothing and parent is not None:
            raise InvalidInput(
                f"a recipe of the {self.family} family starts from nothing; leave out --init", field="init"
            )
        if folder is None:
            return self
        return self.model_copy(update={"data": self.data.model_copy(update={"folder": folder})})

    def check_pictures(self, items: Sequence[Item]) -> None:
        """InvalidInput where these pictures, which are to be learned from, do not say what the recipe needs."""


def read_recipe(file: Path) -> Recipe:
    """Read and check a recipe of any family; NotFound without the file, InvalidInput naming the key that is wrong."""
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
        return recipe_of(tables)
    except FileNotFoundError:
        raise NotFound(f"recipe '{file}' not found") from None
    except IsADirectoryError:
        raise InvalidInput(f"recipe '{file}' is a folder; name the .toml file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        misfit = first.get("ctx", {}).get("error")
        parts = [*first["loc"], *([misfit.key] if isinstance(misfit, _MisfitError) else [])]
        key = ".".join(str(part) for part in parts)
        raise InvalidInput(f"{file}: {key}: {first['msg']}", field=key) from None


def recipe_of(tables: dict[str, Any]) -> Recipe:
    """The recipe that tables say, of whichever family; pydantic's ValidationError where they are wrong."""
    family = tables.get("family", "diffusion")
    try:
        kinds = import_module(f"limner.families.{family}.recipe")
    except (ModuleNotFoundError, TypeError):
        raise InvalidInput(
            f"family {family!r} not found; known: diffusion, attngan, parti, matcher", field="family"
        ) from None
    kind: type[Recipe] = kinds.kind_of(tables)
    return kind.model_validate(tables)
