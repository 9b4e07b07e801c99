"""One's own pictures found again: by the words of their prompts, by pins, by what they were made from."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Engine, delete, or_, select
from sqlalchemy.orm import sessionmaker

from ..answers import Pins
from ..errors import InvalidInput, NotFound
from .access import Calling
from .access.caller import Caller
from .database import one_at_a_time
from .problems import documented
from .schema import ImageRow, JobRow, PinRow
from .wire import PictureId

MOST_PINS = 1000

router = APIRouter()


class PinStore:
    """The pins in one database. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._reads = sessionmaker(engine)
        self._writes = sessionmaker(engine.execution_options(write=True))

    def pin(self, caller: Caller, image: str) -> None:
        """Pin a picture; InvalidInput where it is not theirs, or there are MOST_PINS already."""
        if not self._drawn(caller, image):
            raise InvalidInput(f"no picture {image[:80]!r} was drawn here for you", field="image")
        pinned = self.of(caller)
        if image not in pinned and len(pinned) >= MOST_PINS:
            raise InvalidInput(f"{MOST_PINS} pictures are pinned already: unpin one", field="image")
        with self._writes.begin() as session:
            one_at_a_time(session.connection())
            session.merge(PinRow(owner=caller.owner, image=image, created_at=time.time()))

    def _drawn(self, caller: Caller, image: str) -> bool:
        query = (
            select(ImageRow.job).join(JobRow, ImageRow.job == JobRow.number).where(ImageRow.image == image)
        )
        if caller.sees is not None:
            query = query.where(JobRow.owner == caller.sees)
        with self._reads.begin() as session:
            return session.scalar(query.limit(1)) is not None

    def unpin(self, caller: Caller, image: str) -> None:
        """Take a pin of the caller's away; NotFound where there is none."""
        with self._writes.begin() as session:
            found = session.execute(delete(PinRow).where(*_of(caller), PinRow.image == image))
            if not found.rowcount:  # type: ignore[attr-defined]  # a delete has one
                raise NotFound(f"picture {image[:80]!r} is not pinned")

    def of(self, caller: Caller) -> list[str]:
        """What the caller pinned, the newest first."""
        with self._reads.begin() as session:
            query = select(PinRow.image).where(*_of(caller)).order_by(PinRow.created_at.desc())
            return list(dict.fromkeys(session.scalars(query)))


def _of(caller: Caller) -> list[ColumnElement[bool]]:
    """Of a pin: it is the caller's."""
    return [] if caller.own is None else [PinRow.owner.in_(caller.own)]


def wanted(
    caller: Caller,
    search: str = "",
    pinned: bool = False,
    made_from: str | None = None,
    mine: bool = False,
) -> list[ColumnElement[bool]]:
    """Conditions on jobs: every word of `search` is in the prompt, `caller` pinned a picture, it began or was derived
    from one, it is the caller's own."""
    found = [JobRow.prompt.icontains(word, autoescape=True) for word in search.replace("\0", " ").split()]
    if pinned:
        pins = select(PinRow.image).where(*_of(caller))
        found.append(JobRow.number.in_(select(ImageRow.job).where(ImageRow.image.in_(pins))))
    if made_from is not None:
        found.append(or_(JobRow.image == made_from, JobRow.derived_from == made_from))
    if mine and caller.own is not None:
        found.append(JobRow.owner.in_(caller.own))
    return found


class PinRequest(BaseModel):
    """A picture to pin."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    image: PictureId


def _pins(request: Request) -> PinStore:
    pins: PinStore = request.app.state.service.pins
    return pins


@router.get("/v1/pins", response_model=Pins, summary="What is pinned")
def list_pins(request: Request, caller: Calling) -> Pins:
    """Ids of the caller's pinned pictures, the newest pin first."""
    return Pins(images=_pins(request).of(caller))


@router.post(
    "/v1/pins",
    response_model=Pins,
    responses=documented(400, 403, 413, 415, 421, 422),
    summary="Pin a picture",
)
def pin(request: Request, caller: Calling, asked: PinRequest) -> Pins:
    """Pin one of the caller's pictures; answers all that is pinned."""
    _pins(request).pin(caller, asked.image)
    return Pins(images=_pins(request).of(caller))


@router.delete(
    "/v1/pins/{image_id}", status_code=204, responses=documented(403, 404, 422), summary="Take a pin away"
)
def unpin(request: Request, caller: Calling, image_id: str) -> Response:
    """The picture stays."""
    _pins(request).unpin(caller, image_id)
    return Response(status_code=204)
