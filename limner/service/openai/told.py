"""What OpenAI's image clients are told: answers and stream events, with Limner's own notes beside."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...answers import WithheldView
from .formats import FileFormat

QualityTold = Literal["low", "medium", "high"]


class Note(BaseModel):
    """What Limner says of a picture: its job, its own seed and size, and what was done to it afterwards.

    `resized` is null where it was drawn as large as it is; `cropped` where the model draws no size of that shape.
    `readings` has the sense in which each word of several was read.
    """

    job: str
    image: str
    index: int
    model: str
    seed: int
    steps: int | None = None
    drawn: str
    resized: Literal["enlarged", "reduced"] | None = None
    cropped: bool
    readings: dict[str, str] | None = None


class Datum(BaseModel):
    """One picture."""

    b64_json: str | None = None
    url: str | None = None
    limner: Note


class ImagesAnswer(BaseModel):
    """The pictures of a call, and those that gates withhold; `created` is in seconds since 1970."""

    created: int
    data: list[Datum]
    background: Literal["opaque"] = "opaque"
    output_format: FileFormat
    quality: QualityTold
    size: str
    safety_identifier: str | None = None
    withheld: list[WithheldView] | None = None


class InputTokens(BaseModel):
    """Tokens that were read: none are counted."""

    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """What OpenAI bills by. Limner counts no tokens, but clients' types ask for it."""

    input_tokens: int = 0
    input_tokens_details: InputTokens = Field(default_factory=InputTokens)
    output_tokens: int = 0
    total_tokens: int = 0


class Streamed(BaseModel):
    """What all events of a stream say; `created_at` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    type: str
    b64_json: str
    created_at: int
    background: Literal["opaque"] = "opaque"
    output_format: FileFormat
    quality: QualityTold
    size: str


class PartialImage(Streamed):
    """A picture on its way; `index` counts the pictures of the call."""

    partial_image_index: int
    limner: dict[str, int]


class Completed(Streamed):
    """A picture that is done."""

    usage: Usage = Field(default_factory=Usage)
    safety_identifier: str | None = None
    limner: Note
