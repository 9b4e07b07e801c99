"""What OpenAI's image clients ask. What cannot be honoured is refused by name, never passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import from_json

from ...engine.request import Prompt, Seed, Steps, Strength
from ...errors import InvalidInput
from ..wire import BestOf, Locale, ModelReference, Readings, whole
from .formats import FileFormat
from .sizes import ALLOWED, PATTERN, size_of

MAX_PICTURES = 10
MAX_PARTIAL = 3

# Parameters of the images API that name what no model here can do.
NOT_HERE = frozenset(
    {"complexity", "frame_count", "frame_duration_ms", "markup", "prompt_rewriter", "style", "svg"}
)

Quality = Literal["auto", "low", "medium", "high", "standard", "hd"]
Name = Annotated[str, Field(max_length=512)]


class Asked(BaseModel):
    """What every call takes. null means the same as leaving it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelReference | None = Field(None, description="Left out: the model that is served.")
    n: Annotated[int, Field(ge=1, le=MAX_PICTURES)] | None = Field(None, description="How many pictures; 1.")
    size: Annotated[str, Field(max_length=40, json_schema_extra={"pattern": PATTERN})] | None = Field(
        None, description=f"Allowed: {ALLOWED}. Drawn at the model's nearest own size, then resized."
    )
    response_format: Literal["url", "b64_json"] | None = Field(None, description="Left out: both are told.")
    user: Name | None = Field(None, description="Whom the client draws for: told again and kept in the log.")
    seed: Seed | None = Field(
        None, description="Limner's own: of the first picture; each further one has the next."
    )
    locale: Locale | None = Field(
        None,
        description="Limner's own: words of several senses are read as there; else as in Accept-Language's first.",
    )
    readings: Readings | None = Field(
        None,
        description="Limner's own: the senses of words that have several, where not the country's is meant.",
    )

    @field_validator("readings", mode="before")
    @classmethod
    def _of_a_form(cls, value: object) -> object:
        return from_json(value) if isinstance(value, str) else value

    @property
    def who(self) -> str | None:
        """The one whom the client draws for."""
        return self.user or None


class AskedDrawing(Asked):
    """What calls take besides that draw from a prompt."""

    prompt: Prompt
    quality: Quality | None = Field(
        None, description="low: half the model's own steps, high (hd): twice as many; else as many."
    )
    steps: Steps | None = Field(
        None, description="Limner's own: so many steps, where a model draws in steps; in place of quality."
    )
    best_of: BestOf | None = Field(
        None,
        description="Limner's own: draw so many for each picture, and keep the one that fits the prompt best.",
    )
    output_format: FileFormat | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, description="Of JPEG and WebP; 100 is the best picture."
    )
    background: Literal["auto", "opaque"] | None = None
    safety_identifier: Name | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=MAX_PARTIAL)] | None = Field(
        None, description="With stream."
    )

    @property
    def who(self) -> str | None:
        """The one whom the client draws for."""
        return self.safety_identifier or self.user or None


class Generation(AskedDrawing):
    """Pictures of a prompt."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a red apple on a wooden table", "size": "512x512"}]}
    )

    moderation: Literal["auto"] | None = None


class Edit(AskedDrawing):
    """A picture changed after a prompt; the files come beside it."""

    input_fidelity: Literal["low", "high"] | None = Field(
        None, description="How near to the picture to stay, without a mask: high keeps more of it."
    )
    strength: Strength | None = Field(
        None, description="Limner's own: how much may change; 0.6, with a mask 1."
    )


class Variation(Asked):
    """Pictures like one; the file comes beside it."""

    prompt: Prompt | None = Field(
        None, description="Limner's own: what the picture shows, where its file does not say it."
    )


Kind = TypeVar("Kind", bound=Asked)


def read(kind: type[Kind], fields: Mapping[str, Any], strict: bool = True) -> Kind:
    """A request of its fields; with `strict` no text stands for a number. InvalidInput names the field at fault."""
    known = kind.model_fields
    for name, value in fields.items():
        if name in NOT_HERE and name not in known and value is not None:
            raise InvalidInput("this cannot be honoured here; leave it out", field=name)
    given = {name: whole(value) for name, value in fields.items() if name not in NOT_HERE}
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise InvalidInput(f"unknown parameter; known: {', '.join(sorted(known))}", field=unknown[:80])
    try:
        asked = kind.model_validate(given, strict=strict)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        shown = f"{given[name]!r:.60}: " if isinstance(given.get(name), str | int | float | bool) else ""
        raise InvalidInput(f"{shown}{first['msg'].removeprefix('Value error, ')}", field=name) from None
    _go_together(asked)
    return asked


def _go_together(asked: Asked) -> None:
    size_of(asked.size)
    if not isinstance(asked, AskedDrawing):
        return
    if asked.steps is not None and asked.quality not in (None, "auto"):
        raise InvalidInput("give steps or quality, not both", field="steps")
    if asked.partial_images and not asked.stream:
        raise InvalidInput("partial images come with stream=true alone", field="partial_images")
    if asked.stream and asked.response_format == "url":
        raise InvalidInput("a stream sends pictures as b64_json; leave this out", field="response_format")
    if asked.output_compression is not None and asked.output_format in (None, "png"):
        raise InvalidInput(
            "a PNG loses nothing; choose output_format jpeg or webp", field="output_compression"
        )
    if isinstance(asked, Edit) and asked.strength is not None and asked.input_fidelity is not None:
        raise InvalidInput("give strength or input_fidelity, not both", field="input_fidelity")
