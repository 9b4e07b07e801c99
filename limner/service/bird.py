"""The address of the original AttnGAN's service, for the clients that it has.

A caption goes in, and the answer waits for the picture: three sizes of it and two pages of which word drew what, each
by its URL. Whatever draws is a job like any other.
"""

from __future__ import annotations

import io

import numpy as np
from fastapi import APIRouter, Request
from PIL import Image as Pillow
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from ..engine.heat import word_sheet
from ..engine.request import DrawRequest, Prompt, WordMaps
from ..errors import InvalidInput, NotFound, Refused, Unavailable
from .access import Caller, Calling
from .following import ended
from .jobs import Image
from .problems import documented
from .service import Service
from .wire import image_url

router = APIRouter()
FAMILY = "attngan"
PATIENCE = 120.0  # seconds
_CAPTION = "the bird has a yellow crown and a black eyering that is round"


class BirdRequest(BaseModel):
    """What is to be drawn; other fields are passed over, as they always were here."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [{"caption": _CAPTION}]})

    caption: Prompt


class Bird(BaseModel):
    """URLs of a picture in three sizes and of two pages of which word drew what; `elapsed` in seconds."""

    small: str
    medium: str
    large: str
    map1: str
    map2: str
    caption: str
    elapsed: float


class BirdAnswer(BaseModel):
    """The answer of the original service."""

    bird: Bird


@router.post(
    "/api/v1.0/bird",
    status_code=201,
    response_model=BirdAnswer,
    responses=documented(400, 403, 404, 413, 415, 421, 422, 429, 503),
    summary="A bird, as the original AttnGAN's service answers",
)
async def draw_bird(request: Request, caller: Calling, asked: BirdRequest) -> BirdAnswer:
    """Draw a caption by an AttnGAN and wait for it: the served model, else one of one's own, or the built-in."""
    service: Service = request.app.state.service
    wanted = DrawRequest(prompt=asked.caption, model=_model(service), attention=True)
    job, image = await _drawn(service, wanted, caller)
    base = str(request.base_url).rstrip("/")
    pages = await run_in_threadpool(_pages, service, job, image)
    sizes = [stored.id for stored in image.beside.sizes] + [image.id]
    small, medium, large = (base + image_url(_third(sizes, k)) for k in range(3))
    map1, map2 = (base + image_url(pages[k]) for k in (0, -1))
    return BirdAnswer(
        bird=Bird(
            small=small,
            medium=medium,
            large=large,
            map1=map1,
            map2=map2,
            caption=asked.caption,
            elapsed=image.seconds,
        )
    )


def _model(service: Service) -> str:
    found = [model for model in service.studio.models() if model.manifest.family == FAMILY]
    found.sort(key=lambda model: model.built_in)
    for model in found:
        if service.model in (model.name, f"{model.name}@{model.version}"):
            return service.model
    if not found:
        raise NotFound(
            "no AttnGAN is here to draw birds; train one, or bring one in with limner models import attngan"
        )
    return found[0].name


async def _drawn(service: Service, wanted: DrawRequest, caller: Caller) -> tuple[str, Image]:
    """The id of a job that is made for it, and its picture; Unavailable where it does not come in time."""
    try:
        job = await run_in_threadpool(service.accept, wanted, 1, caller)
    except Refused as error:
        raise Refused(str(error), "caption", error.gate, error.reason) from None
    except InvalidInput as error:
        raise InvalidInput(str(error), field="caption" if error.field == "prompt" else error.field) from None
    try:
        now = await ended(service, job.id, PATIENCE)
    except TimeoutError:
        raise Unavailable(f"the picture was not drawn in {PATIENCE:g} seconds; follow job {job.id}") from None
    if not now.final:
        raise Unavailable(f"the service is stopping; job {job.id} is drawn when it is back")
    for withheld in now.withheld:
        raise Refused(f"job {job.id}: {now.error}", None, withheld.gate, withheld.reason)
    if now.state != "succeeded":
        raise Unavailable(now.error or f"job {job.id} was {now.state}")
    return job.id, now.images[0]


def _third(ids: list[str], k: int) -> str:
    """Of however many sizes the first, a middle and the last."""
    return ids[round(k * (len(ids) - 1) / 2)]


def _pages(service: Service, job: str, image: Image) -> list[str]:
    """A page of each map: the picture, and where each word drew."""

    def read(stored: str) -> Pillow.Image:
        with Pillow.open(io.BytesIO(service.images.get(stored))) as opened:
            opened.load()
        return opened

    beside = image.beside
    if not beside.maps:
        raise InvalidInput("the model told nothing of its words", field="caption")
    pixels = np.asarray(read(image.id).convert("RGB"))
    made = []
    for stored in beside.maps:
        stacked = np.asarray(read(stored.id), np.float32).reshape(
            len(beside.words), stored.height, stored.width
        )
        file, sheet = io.BytesIO(), word_sheet(pixels, WordMaps(beside.words, (stacked,)))
        sheet.save(file, "PNG")
        made.append((file.getvalue(), sheet.width, sheet.height))
    return service.keep_pages(job, image, made)
