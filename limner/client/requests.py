"""What is sent, before anything is sent: calls by name, and the settings of a drawing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from urllib.parse import quote

from ..answers import ImageLink, PictureLink

if TYPE_CHECKING:
    from PIL import Image


Vote = Literal["up", "down"]


class Asked(TypedDict, total=False):
    """Settings of a drawing, as docs/serving.md has them; what is left out is the model's own choice.

    `image` and `mask` are the id of a picture that the service has (str), or a file (Path), the bytes of one or a
    Pillow image, which is sent first.
    """

    model: str
    seed: int
    steps: int
    guidance_scale: float
    guidance_interval: tuple[float, float]
    negative_prompt: str
    n: int
    width: int
    height: int
    image: str | Path | bytes | Image.Image
    mask: str | Path | bytes | Image.Image
    keep: tuple[float, float, float, float]
    outward: float
    strength: float
    variation_seed: int
    variation_strength: float
    derived_from: str
    feature_reuse: int
    decoder: Literal["full", "tiny"]
    attention: bool
    temperature: float
    top_k: int
    best_of: int
    matcher: str
    priority: Literal["interactive", "bulk"]
    anew: bool
    locale: str
    readings: dict[str, str]


@dataclass(frozen=True)
class Call:
    """One request; sent twice it does no more than sent once, of a POST by its Idempotency-Key."""

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    content: bytes | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def make_job(prompt: str, settings: Mapping[str, Any]) -> Call:
    """Queue a job."""
    return Call("POST", "/v1/jobs", json={"prompt": prompt, **settings}, headers=_once())


def get_job(job: str) -> Call:
    """A job as it is now."""
    return Call("GET", f"/v1/jobs/{quote(job, safe='')}")


def cancel_job(job: str) -> Call:
    """Cancel a job."""
    return Call("DELETE", f"/v1/jobs/{quote(job, safe='')}")


def list_jobs(before: str | None) -> Call:
    """A page of jobs, newest first."""
    return Call("GET", "/v1/jobs", params={} if before is None else {"before": before})


def list_models() -> Call:
    """The models."""
    return Call("GET", "/v1/models")


def get_status() -> Call:
    """How the service is."""
    return Call("GET", "/v1/admin/status")


def get_picture(image: str | ImageLink | PictureLink) -> Call:
    """The PNG of a picture, by its id or as a job shows it."""
    return Call("GET", f"/v1/images/{quote(image, safe='')}" if isinstance(image, str) else image.url)


def delete_picture(image: str) -> Call:
    """Forget a picture."""
    return Call("DELETE", f"/v1/images/{quote(image, safe='')}")


def upload(picture: bytes) -> Call:
    """Send a picture to work from; the same one again has the same id."""
    headers = {"Content-Type": "application/octet-stream", **_once()}
    return Call("POST", "/v1/images", content=picture, headers=headers)


def say(said: Mapping[str, Any]) -> Call:
    """Say something of a picture."""
    return Call("POST", "/v1/feedback", json=said, headers=_once())


def list_feedback(image: str | None, before: str | None) -> Call:
    """A page of what was said, newest first, of one picture or of all."""
    asked = {"image": image, "before": before}
    return Call("GET", "/v1/feedback", params={k: v for k, v in asked.items() if v is not None})


def take_back(feedback: str) -> Call:
    """Forget what was said."""
    return Call("DELETE", f"/v1/feedback/{quote(feedback, safe='')}")


def _once() -> Mapping[str, str]:
    """The header by which the service knows a request that is sent again, and does what it asks but once."""
    return {"Idempotency-Key": secrets.token_urlsafe(18)}


def follow(job: str, cursor: str | None) -> Call:
    """The events of a job after the one with the id `cursor`."""
    headers = {"Accept": "text/event-stream", **({} if cursor is None else {"Last-Event-ID": cursor})}
    return Call("GET", f"/v1/jobs/{quote(job, safe='')}/events", headers=headers)
