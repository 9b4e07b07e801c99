"""From what a client asks to a job, and from the job's pictures to what the client is told."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...answers import ImageLink
from ...engine.request import MAX_STEPS, DrawRequest
from ...errors import InvalidInput
from ...registry.manifest import Size
from ..access import Caller
from ..jobs import Job
from ..readings import Reader
from ..service import Service
from ..wire import image_link, image_url
from .asked import Asked, AskedDrawing
from .formats import FULL, FileFormat, Look, shaped
from .models import Meant, meant
from .sizes import crops, nearest, size_of, written
from .told import Datum, ImagesAnswer, Note, QualityTold

log = logging.getLogger(__name__)

_FROM_NOISE: Mapping[str, Any] = {}
_SHARES: dict[QualityTold, float] = {"low": 0.5, "medium": 1, "high": 2}
_QUALITIES: dict[str | None, QualityTold] = {
    None: "medium",
    "auto": "medium",
    "standard": "medium",
    "hd": "high",
    "low": "low",
    "medium": "medium",
    "high": "high",
}


@dataclass(frozen=True)
class Desk:
    """Where orders are taken: of the `service`, for `caller`; `base` begins URLs, the served model answers to the
    further names `answers_to`, and who asks reads as in `locale`."""

    service: Service
    caller: Caller
    base: str
    answers_to: frozenset[str] = frozenset()
    locale: str | None = None

    def meant(self, model: str | None) -> Meant:
        """The model that a request names; NotFound where there is none."""
        served = model is None or model in self.answers_to
        return meant(self.service.studio, self.service.model if model is None or served else model)


@dataclass(frozen=True)
class Order:
    """A job that was accepted at a desk, and how its pictures are to be handed out."""

    desk: Desk
    job: Job
    look: Look
    quality: QualityTold
    who: str | None

    @property
    def own(self) -> Size:
        """The size that the job draws."""
        request = self.job.request
        assert request.width is not None and request.height is not None
        return Size(width=request.width, height=request.height)

    @property
    def size(self) -> Size:
        """The size that is handed out."""
        return self.look.size or self.own


def order(desk: Desk, asked: Asked, prompt: str, begun: Mapping[str, Any] = _FROM_NOISE) -> Order:
    """Make a job of what is asked; it is on the disk when this returns. `begun` are fields of DrawRequest that say what
    the pictures are made from.

    InvalidInput names the parameter, NotFound is an unknown model; Busy and Unavailable as `Service.accept`.
    """
    model = desk.meant(asked.model)
    wanted = size_of(asked.size)
    drawing = asked if isinstance(asked, AskedDrawing) else None
    quality = _QUALITIES[drawing.quality if drawing else None]
    steps = drawing.steps if drawing else None
    fields: dict[str, Any] = {"steps": steps or _steps(model, quality), "seed": asked.seed}
    fields["best_of"] = (drawing.best_of if drawing else None) or 1
    if wanted is not None:
        own = nearest(model.manifest.sizes, wanted)
        fields |= {"width": own.width, "height": own.height}
    request = DrawRequest(prompt=prompt, model=model.defaults.model, **(fields | dict(begun)))
    reader = Reader(asked.locale or desk.locale, asked.readings)
    try:
        job = desk.service.accept(request, asked.n or 1, desk.caller, reader=reader)
    except InvalidInput as error:
        if error.field == "matcher":  # which these calls do not have
            raise InvalidInput(
                f"no matcher judges model '{model.manifest.name}'; leave it out", "best_of"
            ) from None
        raise
    if asked.who is not None:
        log.info("job %s is drawn for %r", job.id, asked.who, extra={"job": job.id})
    return Order(desk, job, _look(wanted, drawing), quality, asked.who)


def _steps(model: Meant, quality: QualityTold) -> int | None:
    if quality == "medium":
        return None
    if model.manifest.sampler is None or model.defaults.steps is None:
        name, way = model.manifest.name, model.manifest.way
        raise InvalidInput(
            f"model '{name}' draws {way} and has one quality; allowed: auto, medium", field="quality"
        )
    return min(MAX_STEPS, max(1, round(model.defaults.steps * _SHARES[quality])))


def _look(wanted: Size | None, drawing: AskedDrawing | None) -> Look:
    if drawing is None:
        return Look(wanted)
    compression = drawing.output_compression
    kind: FileFormat = drawing.output_format or "png"
    return Look(wanted, kind, FULL if compression is None else compression)


def note(order: Order, image: ImageLink) -> Note:
    """What Limner says of a picture of an order."""
    drawn, size = Size(width=image.width, height=image.height), order.size
    request, said = order.job.request, order.job.said
    return Note(
        job=order.job.id,
        image=image.id,
        index=image.index,
        model=request.model,
        seed=image.seed,
        steps=request.steps_taken,
        drawn=written(drawn),
        resized=_resized(drawn, size),
        cropped=crops(drawn, size),
        readings=None if said is None else said.readings,
    )


def _resized(drawn: Size, size: Size) -> Literal["enlarged", "reduced"] | None:
    if size == drawn:
        return None
    return "enlarged" if max(size.width / drawn.width, size.height / drawn.height) > 1 else "reduced"


def file_of(order: Order, image: str) -> bytes:
    """The file of a picture of an order, as it is handed out."""
    service = order.desk.service
    return shaped(service.whole_picture(image, order.desk.caller), order.look, service.signer)


def answer(order: Order, job: Job, response_format: str | None) -> ImagesAnswer:
    """The answer for a job that succeeded: pictures as files in base64, by URL, or both where neither is named."""
    data = []
    for image in job.images:
        link = image_link(image)
        file = None if response_format == "url" else base64.b64encode(file_of(order, image.id)).decode()
        url = None if response_format == "b64_json" else url_of(order, link)
        data.append(Datum(b64_json=file, url=url, limner=note(order, link)))
    return ImagesAnswer(
        created=int(job.finished_at or job.created_at),
        data=data,
        output_format=order.look.format,
        quality=order.quality,
        size=written(order.size),
        safety_identifier=order.who,
        withheld=list(job.withheld) or None,
    )


def url_of(order: Order, image: ImageLink) -> str:
    """Where a picture of an order is, in the size and format that are handed out."""
    look, own = order.look, Size(width=image.width, height=image.height)
    place = order.desk.base + image_url(image.id)
    if look.format == "png" and order.size == own:
        return place
    compression = "" if look.format == "png" else f"&compression={look.compression}"
    return f"{place}/copy?size={written(order.size)}&format={look.format}{compression}"
