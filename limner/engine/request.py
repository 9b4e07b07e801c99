"""What is asked for (one request is one picture), what happens on the way, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_SEED = 2**32 - 1
MAX_PROMPT = 1000
MAX_STEPS = 150
MAX_BEST_OF = 64


def _plain_text(value: str) -> str:
    if any((ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160 for c in value):
        raise ValueError("must not contain control characters")
    return value


# What the schema says of plain text, for those who make requests from it; whoever is refused gets words instead.
_CONTROL = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f"
_PLAIN = {"pattern": f"^[^{_CONTROL}]*$"}
_PLAIN_AND_SOMETHING = {"pattern": rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"}

Prompt = Annotated[
    str,
    Field(min_length=1, max_length=MAX_PROMPT, pattern=r"\S", json_schema_extra=_PLAIN_AND_SOMETHING),
    AfterValidator(_plain_text),
]
NegativePrompt = Annotated[
    str, Field(max_length=MAX_PROMPT, json_schema_extra=_PLAIN), AfterValidator(_plain_text)
]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
GuidanceScale = Annotated[float, Field(ge=1, le=30, allow_inf_nan=False)]
FeatureReuse = Annotated[int, Field(ge=1, le=10)]
Strength = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Temperature = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
TopK = Annotated[int, Field(ge=1, le=65_536)]
BestOf = Annotated[int, Field(ge=1, le=MAX_BEST_OF)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Keep = Annotated[tuple[Share, Share, Share, Share], Field(strict=False)]
Outward = Annotated[float, Field(ge=0.25, le=0.9, allow_inf_nan=False)]


class DrawRequest(BaseModel):
    """One picture to draw. None means: what the model's manifest says.

    `seed` 0 to 2^32-1 (the studio draws one at random where it is None and reports it); `width` and
    `height` in pixels, one of the model's sizes; `guidance_interval` and `feature_reuse` as in the
    manifest.

    `image` and `mask` name what the picture is made from, which is handed over beside the request
    (`engine.source.Source`): `strength` is the share of the steps that are taken from there, so how much changes.
    `keep` and `outward` are those of a source that is made anew from its names.
    Of a variation, the noise of `seed` is turned towards that of `variation_seed`, by the share
    `variation_strength` of the way.

    `decoder` makes the picture of the last latent: the model's own, or a tiny one, where the model has it.
    `attention` asks which word drew what.

    A model that draws token by token takes one of the `top_k` best tokens each time, at a `temperature`: above 1 more
    freely, below 1 more surely.

    Of `best_of` candidates the one is the picture that `matcher` finds nearest to the prompt (`candidates`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Prompt
    model: str = "storybook"
    seed: Seed | None = None
    steps: Steps | None = None
    guidance_scale: GuidanceScale | None = None
    guidance_interval: tuple[float, float] | None = None
    feature_reuse: FeatureReuse | None = None
    negative_prompt: NegativePrompt = ""
    sampler: str | None = None
    width: int | None = None
    height: int | None = None
    image: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    mask: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    keep: Keep | None = None
    outward: Outward | None = None
    strength: Strength | None = None
    variation_seed: Seed | None = None
    variation_strength: Strength | None = None
    decoder: Literal["full", "tiny"] | None = None
    attention: bool = False
    temperature: Temperature | None = None
    top_k: TopK | None = None
    best_of: BestOf = 1
    matcher: Annotated[str, Field(min_length=1, max_length=1000)] | None = None

    @property
    def steps_taken(self) -> int | None:
        """How many of the `steps` are taken: the last ones, where a picture is the beginning."""
        if self.steps is None or self.image is None or self.strength is None:
            return self.steps
        return max(1, int(self.steps * self.strength + 1e-6))

    def nth(self, k: int) -> DrawRequest:
        """Picture `k` of several, from 0: their seeds follow on one another, or those of their variations do, each
        with as many as it has candidates."""
        name = "seed" if self.variation_strength is None else "variation_seed"
        return self.model_copy(update={name: (self.own_seed + k * self.best_of) % (MAX_SEED + 1)})

    @property
    def candidates(self) -> list[DrawRequest]:
        """The requests of the pictures of which this one is the best: seeds as of `nth`, each a picture by itself."""
        alone = self.model_copy(update={"best_of": 1, "matcher": None})
        return [alone.nth(k) for k in range(self.best_of)]

    @property
    def own_seed(self) -> int:
        """The seed that this picture has for itself: of a variation, that of its variation."""
        return (self.seed if self.variation_strength is None else self.variation_seed) or 0


@dataclass(frozen=True)
class WordMaps:
    """How much each place of a picture looked at each of the text's `words`: maps (words, h, w) float32, which sum to
    at most 1 over words, coarse before fine."""

    words: tuple[str, ...]
    maps: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Stepped:
    """One of `steps` steps is done; `preview` is a small picture, uint8 (h, w, 3), or None.

    A family that draws several sizes at once shows all of them in `pictures`, smallest first. The last step tells the
    `attention`, where the request asks for it.
    """

    step: int
    steps: int
    preview: NDArray[np.uint8] | None
    pictures: tuple[NDArray[np.uint8], ...] = ()
    attention: WordMaps | None = None


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    `pixels` are uint8 (H, W, 3); `request` has every default filled in; `model` and `version` are the model's own
    name and version, however the request refers to it; `seconds` is the time from submission to the end. `pictures`
    and `attention` are those of the last step.
    """

    pixels: NDArray[np.uint8]
    request: DrawRequest
    model: str
    version: str
    seconds: float
    pictures: tuple[NDArray[np.uint8], ...] = ()
    attention: WordMaps | None = None


@dataclass(frozen=True)
class Finished:
    """The picture is done."""

    picture: Picture


@dataclass(frozen=True)
class Failed:
    """The picture cannot be drawn."""

    error: Exception


@dataclass(frozen=True)
class Stopped:
    """The request was cancelled."""


Event = Stepped | Finished | Failed | Stopped


Stage = Literal["encode", "refine", "decode"]
"""What a network call is for: conditioning from what was asked, a step of the picture, or its pixels."""


@dataclass(frozen=True)
class Call:
    """The next network call of a program: a graph's name, perhaps at a depth, and its named inputs, rows first.

    The scheduler joins calls of the same graph along the first axis and sends each program its own rows
    of the named outputs. `stage` is for who watches.
    """

    graph: str
    inputs: dict[str, NDArray[Any]]
    stage: Stage = "refine"
