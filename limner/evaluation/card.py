"""The evaluation card: what `card.json` says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InvalidInput, NotFound
from ..registry.choices import Choices
from ..registry.making import write_whole
from .checking import Accuracy
from .tally import Rows

CARD_NAME = "card.json"
PAGE_NAME = "card.html"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileCard(_Part):
    """The rates over the pictures of one frozen file.

    `subsets` are the prompts by their shape, as the world names them; `chance` holds each
    picture against values at random, `shuffled` against another prompt of the file; `nearest` are not the model's
    pictures but those that it learned from, for each prompt the one whose caption shares most of its words.
    """

    prompts: int
    all: Rows
    subsets: dict[str, Rows]
    chance: Rows
    shuffled: Rows
    nearest: Rows | None = None


class Ceiling(_Part):
    """The checker's own accuracy; `note` says what is missing without it, and else what it does not measure."""

    accuracy: Accuracy | None
    note: str | None = None


class Score(_Part):
    """One number, and all that it depends on.

    `id` says how it is computed, on `n` pictures made ready by `resize` for an encoder of this name and hash; `model`
    is the version that drew them and `data` the hash of what they are held against. `beside` are the same of other
    pictures, by what they are: a value alone says little. `low` and `high` are its 95 % interval.
    """

    id: str
    title: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    beside: dict[str, float] = {}
    better: Literal["higher", "lower", "neither"] = "higher"
    encoder: str = "none"
    encoder_hash: str = ""
    resize: str = ""
    model: str
    data: str
    note: str | None = None


class Histogram(_Part):
    """How often a value lies between two edges, for several kinds of picture, as shares of each kind."""

    title: str
    edges: tuple[float, ...]
    shares: dict[str, tuple[float, ...]]


class Bench(_Part):
    """What was drawn and held against: a world, a captioned set or sentences, and its hash."""

    name: str
    hash: str


class Settings(_Part):
    """How the pictures were drawn; no `sampler` where it was in one step, or token by token."""

    sampler: str
    steps: int
    guidance_scale: float
    guidance_interval: tuple[float, float]
    feature_reuse: int = 1
    width: int
    height: int
    seeds: int


class Cost(_Part):
    """What it took: seconds of wall time a picture with `at_once` pictures in flight, the most MB that a process holds
    which draws one, and the training."""

    seconds_a_picture: float
    at_once: int
    memory: int | None = None
    hardware: str
    training_hardware: str
    training_hours: float
    training_examples: int
    training_parent: str | None = None


class Card(_Part):
    """One evaluation of one version of a model.

    `files` are those whose prompts can be checked, by a world's checker; `scores` is what needs none, and `missing`
    says of each that could not be had why. A matcher, which draws nothing, has no settings.
    """

    format: int = 1
    model: str
    version: str
    title: str
    world: str | None = "scenes"
    bench: Bench | None = None
    created: str
    settings: Settings | None = None
    files: dict[str, FileCard] = {}
    true_renders: Ceiling | None = None
    round_trip: Ceiling | None = None
    scores: tuple[Score, ...] = ()
    missing: dict[str, str] = {}
    histograms: tuple[Histogram, ...] = ()
    cost: Cost
    choices: Choices | None = None

    @classmethod
    def read(cls, directory: Path) -> Card:
        """Read `card.json` of a folder; NotFound without one, InvalidInput where it is wrong."""
        file = directory / CARD_NAME
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"{directory} has no {CARD_NAME}; limner evaluate writes one") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{file}: {where}: {first['msg']}", field=where) from None

    def write(self, directory: Path) -> None:
        """Write `card.json` into a folder."""
        write_whole(directory / CARD_NAME, self.model_dump_json(indent=1) + "\n")
