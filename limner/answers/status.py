"""How the service is now."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """Whether it works, and per part `ok` or what is wrong."""

    status: Literal["ok", "waiting"]
    parts: dict[str, str]


class QueueNow(BaseModel):
    """The queue: jobs that wait and may wait, seconds that the oldest has waited, jobs that are being drawn."""

    waiting: int
    limit: int
    oldest_seconds: float
    running: int


class RunningNow(BaseModel):
    """A job that is being drawn: `step` of `steps` of its slowest picture, `done` of `n` pictures, for `seconds`."""

    id: str
    model: str
    width: int | None
    height: int | None
    step: int
    steps: int
    done: int
    n: int
    seconds: float
    attempts: int


class LastMinute(BaseModel):
    """Counts of the last 60 seconds.

    `calls` are the network calls that take pictures a step further, with `rows_per_call` and `pictures_per_call` on
    average; `refused` and `failures` are the requests answered with 4xx and 5xx; of `texts` looked up, `texts_kept`
    had been encoded before.
    """

    requests: int
    refused: int
    failures: int
    pictures: int
    steps: int
    calls: int
    rows_per_call: float
    pictures_per_call: float
    texts: int
    texts_kept: int


class MemoryNow(BaseModel):
    """Memory and disk in bytes: of the service's process, of the engine's where that is another; room that is left
    where jobs and pictures lie. None: not known, on this system or for now."""

    service: int | None
    engine: int | None
    data_free: int | None


class ModelNow(BaseModel):
    """A model that is here, and whether any of it is loaded."""

    name: str
    version: str
    family: str
    served: bool
    loaded: bool


class Mishap(BaseModel):
    """Something that went wrong, of a job or of none."""

    at: datetime
    what: str
    job: str | None


class Status(BaseModel):
    """How the service is now. `ready` says of each part `ok` or what is wrong; `queue` is None while the database does
    not answer; `mishaps` come newest first."""

    version: str
    up_seconds: float
    ready: dict[str, str]
    queue: QueueNow | None
    running: list[RunningNow]
    last_minute: LastMinute
    memory: MemoryNow
    models: list[ModelNow]
    mishaps: list[Mishap]
