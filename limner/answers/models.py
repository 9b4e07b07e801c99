"""The models, and what they can be asked."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, StrictInt


class SizeView(BaseModel):
    """A picture size in pixels."""

    width: StrictInt
    height: StrictInt


class DefaultsView(BaseModel):
    """What a job gets when it does not say; null is what a model does not have."""

    steps: int
    guidance_scale: float | None
    sampler: str | None
    temperature: float | None = None
    top_k: int | None = None
    best_of: int = 1


class ModelView(BaseModel):
    """A model; `limits` are [least, most] of each setting that it takes (of a text, its letters); `vocabulary` is null
    where any word may be understood; `edits` says whether it can begin from a picture."""

    name: str
    version: str
    title: str
    description: str
    family: str
    sizes: list[SizeView]
    defaults: DefaultsView
    limits: dict[str, tuple[int, int]]
    vocabulary: list[str] | None
    edits: bool
    small: bool
    card: str | None


class ModelCard(BaseModel):
    """A model as OpenAI's clients list it: `id` is what requests name; `created` is in seconds since 1970."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "limner"


class ModelList(BaseModel):
    """The models that jobs may name; `object` and `data` say the same to OpenAI's clients."""

    models: list[ModelView]
    object: Literal["list"] = "list"
    data: list[ModelCard] = []


class Ideas(BaseModel):
    """Sentences to try."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ideas": ["a red apple on a wooden table"]}]})

    ideas: list[str]
