"""Jobs and their pictures as values, read from their rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from pydantic import BaseModel, ConfigDict

from ..answers import FINAL, Priority, State
from ..engine.request import DrawRequest
from .readings import Said
from .schema import JobRow


class Stored(BaseModel):
    """A picture in the image store, its size in pixels."""

    model_config = ConfigDict(frozen=True)

    id: str
    width: int
    height: int


class Beside(BaseModel):
    """What came with a picture: smaller sizes, and of each of the `words` a map, one below the other in each of
    `maps`."""

    model_config = ConfigDict(frozen=True)

    sizes: tuple[Stored, ...] = ()
    words: tuple[str, ...] = ()
    maps: tuple[Stored, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Of all pictures that came with it."""
        return [stored.id for stored in self.sizes + self.maps]


@dataclass(frozen=True)
class Image:
    """Picture `index` of a job: `id` in the image store, size in pixels, seconds it took, what came with it."""

    index: int
    id: str
    seed: int
    width: int
    height: int
    seconds: float
    beside: Beside = field(default_factory=Beside)


@dataclass(frozen=True)
class Job:
    """A job of `owner` as the database has it; `position` in the queue counts from 1; times are seconds since 1970."""

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

    @property
    def suspected(self) -> bool:
        """Whether an engine ended while it was drawn, so that it is drawn alone."""
        return self.strikes is not None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


def as_job(row: JobRow, position: int | None) -> Job:
    """A row as the job that it is, at `position` of the queue where it waits."""
    return Job(
        id=row.id,
        state=cast(State, row.state),
        request=DrawRequest.model_validate_json(row.request),
        n=row.n,
        images=tuple(
            Image(i.index, i.image, i.seed, i.width, i.height, i.seconds, _beside(i.beside))
            for i in row.images
        ),
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
    )


def _beside(text: str | None) -> Beside:
    return Beside() if text is None else Beside.model_validate_json(text)
