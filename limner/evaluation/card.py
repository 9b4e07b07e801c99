"""The evaluation card: what `card.json` says."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InvalidInput, NotFound
from ..registry.choices import Choices
from .checking import Accuracy
from .tally import Rows

CARD_NAME = "card.json"
PAGE_NAME = "card.html"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileCard(_Part):
    """The rates over the pictures of one frozen file.

    `subsets` are the prompts by their shape, as the world names them; `chance` holds each
    picture against values at random, `shuffled` against another prompt of the file.
    """

    prompts: int
    all: Rows
    subsets: dict[str, Rows]
    chance: Rows
    shuffled: Rows


class Ceiling(_Part):
    """The checker's own accuracy; without it, `note` says what is missing."""

    accuracy: Accuracy | None
    note: str | None = None


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
    """What it took: seconds of wall time a picture with `at_once` pictures in flight, and the training."""

    seconds_a_picture: float
    at_once: int
    hardware: str
    training_hardware: str
    training_hours: float
    training_examples: int
    training_parent: str | None = None


class Card(_Part):
    """One evaluation of one version of a model."""

    format: int = 1
    model: str
    version: str
    title: str
    world: str = "scenes"
    created: str
    settings: Settings
    files: dict[str, FileCard]
    true_renders: Ceiling
    round_trip: Ceiling
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
        (directory / CARD_NAME).write_text(self.model_dump_json(indent=1) + "\n")
