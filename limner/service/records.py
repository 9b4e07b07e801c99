"""Jobs and their pictures as values, read from their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy import Connection, Row

from ..answers import FINAL, Priority, State, WithheldView
from ..engine.request import DrawRequest
from . import statements
from .readings import Said

_WITHHELD = TypeAdapter(tuple[WithheldView, ...])


class Stored(BaseModel):
    """A picture in the image store, its size in pixels."""

    model_config = ConfigDict(frozen=True)

    id: str
    width: int
    height: int


class Beside(BaseModel):
    """What came with a picture: smaller sizes, and of each of the `words` a map, one below the other in each of
    `maps`; and `pages` that were made of these later."""

    model_config = ConfigDict(frozen=True)

    sizes: tuple[Stored, ...] = ()
    words: tuple[str, ...] = ()
    maps: tuple[Stored, ...] = ()
    pages: tuple[Stored, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Of all pictures that came with it."""
        return [stored.id for stored in self.sizes + self.maps + self.pages]


@dataclass(frozen=True)
class Image:
    """Picture `index` of a job: `id` in the image store, size in pixels, seconds it took, what came with it.

    `digest` stands for all that it depends on, None where that is not known (`service.results`); one that was `reused`
    had been drawn before, for another job.
    """

    index: int
    id: str
    seed: int
    width: int
    height: int
    seconds: float
    beside: Beside = field(default_factory=Beside)
    digest: str | None = None
    reused: bool = False


@dataclass(frozen=True)
class Job:
    """A job of `owner` as the database has it, asked for by `key`.

    Its `position` in the queue counts from 1; times are seconds since 1970.
    """

    id: str
    state: State
    request: DrawRequest
    n: int
    images: tuple[Image, ...]
    error: str | None
    attempts: int
    position: int | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    owner: str = ""
    strikes: int | None = None
    priority: Priority = "interactive"
    said: Said | None = None
    withheld: tuple[WithheldView, ...] = ()
    derived_from: str | None = None
    key: str | None = None

    @property
    def decided(self) -> frozenset[int]:
        """Indices of the pictures that are drawn, kept or withheld."""
        kept, withheld = (image.index for image in self.images), (each.index for each in self.withheld)
        return frozenset(kept) | frozenset(withheld)

    @property
    def suspected(self) -> bool:
        """Whether an engine ended while it was drawn, so that it is drawn alone."""
        return self.strikes is not None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


def as_job(row: Row[Any], images: Iterable[Image], position: int | None) -> Job:
    """A row as the job that it is, with its `images` in their order, at `position` of the queue where it waits."""
    return Job(
        id=row.id,
        state=cast(State, row.state),
        request=DrawRequest.model_validate_json(row.request),
        n=row.n,
        images=tuple(images),
        error=row.error,
        attempts=row.attempts,
        position=position,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        owner=row.owner,
        strikes=row.strikes,
        priority=cast(Priority, row.priority),
        said=None if row.said is None else Said.model_validate_json(row.said),
        withheld=withheld_of(row),
        derived_from=row.derived_from,
        key=row.key,
    )


def withheld_of(row: Row[Any]) -> tuple[WithheldView, ...]:
    """The pictures of a job that gates withhold, by index."""
    return () if row.withheld is None else _WITHHELD.validate_json(row.withheld)


def withheld_text(withheld: tuple[WithheldView, ...]) -> str:
    """What `withheld_of` reads."""
    return _WITHHELD.dump_json(withheld).decode()


def as_image(row: Row[Any]) -> Image:
    """A row as the picture that it is."""
    return Image(
        index=row._mapping["index"],  # a row has a method of that name
        id=row.image,
        seed=row.seed,
        width=row.width,
        height=row.height,
        seconds=row.seconds,
        beside=_beside(row.beside),
        digest=row.digest,
        reused=row.reused,
    )


def images_of(connection: Connection, row: Row[Any]) -> list[Image]:
    """The pictures of a job, in their order."""
    return [as_image(each) for each in statements.pictures_of(connection, row.number)]


def images_of_all(connection: Connection, rows: Iterable[Row[Any]]) -> dict[int, list[Image]]:
    """The pictures of several jobs, by the job's number."""
    numbers = [row.number for row in rows]
    found = statements.pictures(connection, numbers)
    return {number: [as_image(row) for row in found[number]] for number in numbers}


def as_values(job: int, image: Image) -> dict[str, Any]:
    """A picture of the job with that number as the values of its row."""
    return {
        "job": job,
        "index": image.index,
        "image": image.id,
        "seed": image.seed,
        "width": image.width,
        "height": image.height,
        "seconds": image.seconds,
        "beside": None if image.beside == Beside() else image.beside.model_dump_json(),
        "digest": image.digest,
        "reused": image.reused,
    }


def _beside(text: str | None) -> Beside:
    return Beside() if text is None else Beside.model_validate_json(text)
