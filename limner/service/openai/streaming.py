"""Pictures as they come: OpenAI's stream events, made of those of the job."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import AsyncIterator
from typing import Literal

from PIL import Image
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from ...answers import ImageLink, JobView, StepNote
from ...errors import LimnerError
from ..events import STILL_HERE
from ..following import feed_of
from .drawing import Order, file_of, note
from .ends import error_at_end
from .formats import file_of as picture_file
from .refusals import ErrorAnswer, error_of
from .sizes import fitted, written
from .told import Completed, PartialImage

Kind = Literal["image_generation", "image_edit"]


async def streamed(order: Order, kind: Kind, partial_images: int) -> AsyncIterator[bytes]:
    """Server-sent events: up to `partial_images` of each picture on its way, each picture when it is done, and an
    error where the job ends without.

    Partial images are spread evenly over the steps; who reads slowly, or asks a model of few steps, gets fewer.
    """
    try:
        async for event in _events(order, kind, partial_images):
            yield event
    except LimnerError as error:  # the answer has begun, so that only the stream can tell
        yield _error(error_of(503, f"job {order.job.id}: {error}"))


async def _events(order: Order, kind: Kind, partial_images: int) -> AsyncIterator[bytes]:
    service = order.desk.service
    job, feed = await run_in_threadpool(feed_of, service, order.job.id)
    shares: dict[int, _Shares] = {}
    sent: set[int] = set()
    async for message in feed.messages(0):
        if message is None:
            yield STILL_HERE
        elif message.kind == "step":
            step = StepNote.model_validate_json(message.data)
            share = shares.setdefault(step.image, _Shares(partial_images))
            if step.preview is not None and share.due(step):
                yield await run_in_threadpool(_partial, order, kind, step, step.preview, share.take(step))
        elif message.kind == "image":
            image = ImageLink.model_validate_json(message.data)
            sent.add(image.index)
            yield await run_in_threadpool(_completed, order, kind, image)
        elif message.kind == "succeeded":
            for image in JobView.model_validate_json(message.data).images:
                if image.index not in sent:
                    yield await run_in_threadpool(_completed, order, kind, image)
            return
        elif message.kind in ("failed", "cancelled"):
            end = JobView.model_validate_json(message.data)
            yield _error(error_at_end(end.id, end.state, end.error, end.withheld)[1])
            return
    job = await run_in_threadpool(service.store.get, order.job.id)
    yield _error(error_at_end(job.id, job.state, job.error, job.withheld)[1])


class _Shares:
    """Which steps of one picture are shown: after even shares of them."""

    def __init__(self, most: int) -> None:
        self._most, self._reached, self._count = most, 0, 0

    def _share(self, step: StepNote) -> int:
        return step.step * (self._most + 1) // step.steps

    def due(self, step: StepNote) -> bool:
        """Whether the step reached a further share, and is not the last one: that is the picture."""
        return step.step < step.steps and self._share(step) > self._reached

    def take(self, step: StepNote) -> int:
        """Mark the share as shown; gives the number of the partial image, from 0."""
        self._reached = self._share(step)
        self._count += 1
        return self._count - 1


def _partial(order: Order, kind: Kind, step: StepNote, preview: str, index: int) -> bytes:
    with Image.open(io.BytesIO(base64.b64decode(preview.partition(",")[2])), formats=("PNG",)) as opened:
        small = opened.convert("RGB")
    file = picture_file(fitted(small, order.size), order.look)
    event = PartialImage(
        type=f"{kind}.partial_image",
        b64_json=base64.b64encode(file).decode(),
        created_at=int(time.time()),
        output_format=order.look.format,
        quality=order.quality,
        size=written(order.size),
        partial_image_index=index,
        limner={"index": step.image, "step": step.step, "steps": step.steps},
    )
    return _event(event.type, event)


def _completed(order: Order, kind: Kind, image: ImageLink) -> bytes:
    event = Completed(
        type=f"{kind}.completed",
        b64_json=base64.b64encode(file_of(order, image.id)).decode(),
        created_at=int(time.time()),
        output_format=order.look.format,
        quality=order.quality,
        size=written(order.size),
        safety_identifier=order.who,
        limner=note(order, image),
    )
    return _event(event.type, event)


def _event(name: str, data: BaseModel) -> bytes:
    return f"event: {name}\ndata: {data.model_dump_json(exclude_none=True)}\n\n".encode()


def _error(error: ErrorAnswer) -> bytes:
    return f"event: error\ndata: {json.dumps({'type': 'error'} | error.model_dump())}\n\n".encode()
