"""What is sent, before anything is sent: calls by name, and the settings of a drawing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from urllib.parse import quote

if TYPE_CHECKING:
    from PIL import Image


class Asked(TypedDict, total=False):
    """Settings of a drawing, as docs/serving.md has them; what is left out is the model's own choice.

    `image` and `mask` are the id of a picture that the service has (str), or a file (Path), the bytes of one or a
    Pillow image, which is sent first.
    """

    model: str
    seed: int
    steps: int
    guidance_scale: float
    negative_prompt: str
    n: int
    width: int
    height: int
    image: str | Path | bytes | Image.Image
    mask: str | Path | bytes | Image.Image
    strength: float
    variation_seed: int
    variation_strength: float
    feature_reuse: int
    decoder: Literal["full", "tiny"]
    attention: bool
    temperature: float
    top_k: int
    priority: Literal["interactive", "bulk"]
    locale: str
    readings: dict[str, str]


@dataclass(frozen=True)
class Call:
    """One request. `repeatable` says that sending it twice does no more than sending it once."""

    method: str
    path: str
    repeatable: bool = True
    json: Mapping[str, Any] | None = None
    content: bytes | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def make_job(prompt: str, settings: Mapping[str, Any]) -> Call:
    """Queue a job."""
    return Call(
        "POST",
        "/v1/jobs",
        repeatable=False,
        json={"prompt": prompt, **settings},
        headers={"Idempotency-Key": secrets.token_urlsafe(18)},
    )


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


def get_picture(image: str) -> Call:
    """The PNG of a picture."""
    return Call("GET", f"/v1/images/{quote(image, safe='')}")


def upload(picture: bytes) -> Call:
    """Send a picture to work from; the same one again has the same id."""
    headers = {"Content-Type": "application/octet-stream"}
    return Call("POST", "/v1/images", content=picture, headers=headers)


def follow(job: str, cursor: str | None) -> Call:
    """The events of a job after the one with the id `cursor`."""
    headers = {"Accept": "text/event-stream", **({} if cursor is None else {"Last-Event-ID": cursor})}
    return Call("GET", f"/v1/jobs/{quote(job, safe='')}/events", headers=headers)
