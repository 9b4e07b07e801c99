"""What the service answers, as types: shared by the service, which makes them, and the client, which reads them.

Whoever reads passes over what it does not know, so that an older client goes on with a newer service.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictInt

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Priority = Literal["interactive", "bulk"]
FINAL: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})

_IMAGE_ID = "9f2c4e6a8b0d1f3e5a7c9b1d3f5e7a9c0b2d4f6e8a1c3b5d7f9e0a2c4b6d8f1e"
_JOB: dict[str, Any] = {
    "id": "5d1c0ab34f7e92c6d8a1b0e3",
    "state": "succeeded",
    "queue_position": None,
    "step": 20,
    "steps": 20,
    "request": {
        "prompt": "a red apple on a wooden table",
        "model": "storybook",
        "seed": 7,
        "steps": 20,
        "guidance_scale": 4.0,
        "negative_prompt": "",
        "n": 1,
        "width": 256,
        "height": 256,
        "image": None,
        "mask": None,
        "strength": None,
        "variation_seed": None,
        "variation_strength": None,
        "feature_reuse": 1,
        "decoder": "full",
        "attention": False,
        "temperature": None,
        "top_k": None,
    },
    "images": [
        {
            "id": _IMAGE_ID,
            "url": f"/v1/images/{_IMAGE_ID}",
            "seed": 7,
            "width": 256,
            "height": 256,
            "index": 0,
            "sizes": [],
            "attention": None,
        }
    ],
    "error": None,
    "attempts": 1,
    "created_at": "2026-01-31T12:00:00Z",
    "started_at": "2026-01-31T12:00:00Z",
    "finished_at": "2026-01-31T12:00:02Z",
}


class Settings(BaseModel):
    """The request with every default filled in: sent again as it is, it gives the same pictures."""

    prompt: str
    model: str
    seed: int | None
    steps: int | None
    guidance_scale: float | None
    negative_prompt: str
    n: int
    width: int | None
    height: int | None
    image: str | None
    mask: str | None
    strength: float | None
    variation_seed: int | None
    variation_strength: float | None
    feature_reuse: int | None
    decoder: str | None
    attention: bool
    temperature: float | None
    top_k: int | None
    locale: str | None = None
    readings: dict[str, str] = {}


class Uploaded(BaseModel):
    """A picture to work from, as it is kept: upright, RGB, at most 2048 px a side."""

    id: str
    url: str
    width: int
    height: int


class PictureLink(BaseModel):
    """A further picture that came with one, in pixels."""

    url: str
    width: int
    height: int


class AttentionView(BaseModel):
    """Which word drew what: each of `maps` is one grey picture, coarse before fine, of a map a word, one below the
    other; the brighter, the more."""

    words: list[str]
    maps: list[PictureLink]


class ImageLink(BaseModel):
    """A finished picture; `index` counts from 0 within the job; `seed` is its own, of a variation the variation's.

    `sizes` are the smaller ones, smallest first, of a model that draws several at once; `attention` is there where it
    was asked for.
    """

    id: str
    url: str
    seed: int
    width: int
    height: int
    index: int
    sizes: list[PictureLink]
    attention: AttentionView | None


class JobView(BaseModel):
    """A job. `queue_position` counts from 1 while it waits; `step` is what all its pictures have reached; `senses` are
    those of the prompt's words that have several, of which `request.readings` were drawn."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    id: str
    state: State
    queue_position: int | None
    step: int
    steps: int
    request: Settings
    images: list[ImageLink]
    senses: dict[str, list[str]] = {}
    error: str | None
    attempts: int
    priority: Priority = "interactive"
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


class JobPage(BaseModel):
    """Jobs, newest first; `next` is the `before` of the following page, or null at the end."""

    jobs: list[JobView]
    next: str | None


class FeedbackView(BaseModel):
    """What somebody says of picture `image`, or, with `over`, that it is the better of the two."""

    id: str
    job: str
    image: str
    over: str | None
    prompt: str
    seed: int
    model: str
    vote: Literal["up", "down"] | None
    note: str
    caption: str
    created_at: datetime
    updated_at: datetime


class FeedbackPage(BaseModel):
    """What was said, newest first; `next` is the `before` of the following page, or null at the end."""

    feedback: list[FeedbackView]
    next: str | None


class Pins(BaseModel):
    """Ids of pinned pictures, the newest pin first."""

    images: list[str]


class SizeView(BaseModel):
    """A picture size in pixels."""

    width: StrictInt
    height: StrictInt


class DefaultsView(BaseModel):
    """What a job gets when it does not say; null is what a model that does not denoise does not have."""

    steps: int
    guidance_scale: float | None
    sampler: str | None


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


class Health(BaseModel):
    """Whether it works, and per part `ok` or what is wrong."""

    status: Literal["ok", "waiting"]
    parts: dict[str, str]


class QueueNow(BaseModel):
    """The queue: jobs that wait and may wait, seconds that the oldest has waited, jobs that are being drawn."""

    waiting: int
    limit: int
    oldest_seconds: float
    running: int


class RunningNow(BaseModel):
    """A job that is being drawn: `step` of `steps` of its slowest picture, `done` of `n` pictures, for `seconds`."""

    id: str
    model: str
    width: int | None
    height: int | None
    step: int
    steps: int
    done: int
    n: int
    seconds: float
    attempts: int


class LastMinute(BaseModel):
    """Counts of the last 60 seconds.

    `calls` are the network calls that take pictures a step further, with `rows_per_call` and `pictures_per_call` on
    average; `refused` and `failures` are the requests answered with 4xx and 5xx; of `texts` looked up, `texts_kept`
    had been encoded before.
    """

    requests: int
    refused: int
    failures: int
    pictures: int
    steps: int
    calls: int
    rows_per_call: float
    pictures_per_call: float
    texts: int
    texts_kept: int


class MemoryNow(BaseModel):
    """Memory and disk in bytes: of the service's process, of the engine's where that is another; room that is left
    where jobs and pictures lie. None: not known on this system."""

    service: int | None
    engine: int | None
    data_free: int


class ModelNow(BaseModel):
    """A model that is here, and whether any of it is loaded."""

    name: str
    version: str
    family: str
    served: bool
    loaded: bool


class Mishap(BaseModel):
    """Something that went wrong, of a job or of none."""

    at: datetime
    what: str
    job: str | None


class Status(BaseModel):
    """How the service is now. `ready` says of each part `ok` or what is wrong; `queue` is None while the database does
    not answer; `mishaps` come newest first."""

    version: str
    up_seconds: float
    ready: dict[str, str]
    queue: QueueNow | None
    running: list[RunningNow]
    last_minute: LastMinute
    memory: MemoryNow
    models: list[ModelNow]
    mishaps: list[Mishap]


class QueuedNote(BaseModel):
    """Data of a queued event: the place in the queue, from 1."""

    position: int


class StepNote(BaseModel):
    """Data of a step event: picture `image` has done `step` of `steps`; `preview` is a data URL."""

    step: int
    steps: int
    image: int
    preview: str | None


class FieldProblem(BaseModel):
    """One field that is wrong, and what it allows where that can be said."""

    field: str
    message: str
    allowed: str | None = None


class Problem(BaseModel):
    """A problem document (RFC 9457) with the fields that are wrong."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "steps: Input should be less than or equal to 150",
                    "errors": [
                        {
                            "field": "steps",
                            "message": "Input should be less than or equal to 150",
                            "allowed": "a whole number from 1 to 150",
                        }
                    ],
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
