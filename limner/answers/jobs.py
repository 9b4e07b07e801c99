"""Jobs and their pictures, at any time and as they go on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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
        "guidance_interval": [0.0, 1.0],
        "negative_prompt": "",
        "n": 1,
        "width": 256,
        "height": 256,
        "image": None,
        "mask": None,
        "keep": None,
        "outward": None,
        "strength": None,
        "variation_seed": None,
        "variation_strength": None,
        "feature_reuse": 1,
        "decoder": "full",
        "attention": False,
        "temperature": None,
        "top_k": None,
        "best_of": 1,
        "matcher": None,
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
    """The request with every default filled in: sent again as it is, it gives the same pictures. One of them alone is
    drawn again by its own `seed`, and a `best_of` of 1."""

    prompt: str
    model: str
    seed: int | None
    steps: int | None
    guidance_scale: float | None
    guidance_interval: tuple[float, float] | None = None
    negative_prompt: str
    n: int
    width: int | None
    height: int | None
    image: str | None
    mask: str | None
    keep: tuple[float, float, float, float] | None = None
    outward: float | None = None
    strength: float | None
    variation_seed: int | None
    variation_strength: float | None
    derived_from: str | None = None
    feature_reuse: int | None
    decoder: str | None
    attention: bool
    temperature: float | None
    top_k: int | None
    best_of: int = 1
    matcher: str | None = None
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


class WithheldView(BaseModel):
    """A picture that a gate withholds: its `index` within the job, which gate, and for what reason."""

    model_config = ConfigDict(frozen=True)

    index: int
    gate: str
    reason: str


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
    withheld: list[WithheldView] = []
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


class QueuedNote(BaseModel):
    """Data of a queued event: the place in the queue, from 1."""

    position: int


class StepNote(BaseModel):
    """Data of a step event: picture `image` has done `step` of `steps`; `preview` is a data URL."""

    step: int
    steps: int
    image: int
    preview: str | None
