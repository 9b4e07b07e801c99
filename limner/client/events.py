"""What happens to a job, as the client tells it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import httpx2
from pydantic import ValidationError

from ..answers import ImageLink, JobView, QueuedNote, StepNote, WithheldView

_ENDS = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Queued:
    """The job waits at `position`, from 1."""

    id: str
    position: int


@dataclass(frozen=True)
class Step:
    """Picture `image` of the job, from 0, has done `step` of `steps`; `preview` is a small PNG file or None."""

    id: str
    step: int
    steps: int
    image: int
    preview: bytes | None


@dataclass(frozen=True)
class ImageReady:
    """A picture is finished."""

    id: str
    link: ImageLink


@dataclass(frozen=True)
class Withheld:
    """A gate of the service withholds a picture: which one and why."""

    id: str
    withheld: WithheldView


@dataclass(frozen=True)
class Ended:
    """The job is over: succeeded, failed or cancelled."""

    id: str
    job: JobView


JobEvent = Queued | Step | ImageReady | Withheld | Ended
"""Each with the `id` after which `events(after=id)` goes on."""


class Told:
    """The pictures of a job that were told, withheld ones too: the service tells some again to who comes back after the
    job's end or its own restart."""

    def __init__(self) -> None:
        self._pictures: set[tuple[int, str]] = set()

    def again(self, event: JobEvent) -> bool:
        """Whether an event is of a picture that was told before; notes it down."""
        if isinstance(event, ImageReady):
            picture = event.link.index, event.link.id
        elif isinstance(event, Withheld):
            picture = event.withheld.index, ""
        else:
            return False
        known = picture in self._pictures
        self._pictures.add(picture)
        return known


def read_event(event: httpx2.ServerSentEvent) -> JobEvent | None:
    """One event; None where it is of a kind, or in a form, that this client does not know."""
    try:
        if event.event in _ENDS:
            return Ended(event.id, JobView.model_validate_json(event.data))
        if event.event == "queued":
            return Queued(event.id, QueuedNote.model_validate_json(event.data).position)
        if event.event == "image":
            return ImageReady(event.id, ImageLink.model_validate_json(event.data))
        if event.event == "withheld":
            return Withheld(event.id, WithheldView.model_validate_json(event.data))
        if event.event == "step":
            note = StepNote.model_validate_json(event.data)
            return Step(event.id, note.step, note.steps, note.image, _preview(note.preview))
    except ValidationError:
        return None
    return None


def _preview(url: str | None) -> bytes | None:
    kind, comma, data = (url or "").partition(",")
    return base64.b64decode(data) if comma and kind.endswith(";base64") else None
