"""What goes over the broker: requests of devices, and what they are told."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...answers import FieldProblem, Problem
from ...errors import Busy, InvalidInput, LimnerError, NotFound
from ...errors import Refused as RefusedByGate
from ..wire import ALLOWED, JobRequest

MAX_REQUEST = 64 * 1024
_DEVICE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID_ALLOWED = "1 to 64 letters, digits, . _ -"


class _Named(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


@dataclass(frozen=True)
class DeviceRequest:
    """A job by the `id` that the device gave it; `text` is the message as it came."""

    id: str
    job: JobRequest
    text: str


class Refused(InvalidInput):
    """A message that cannot be used; `request` is its id where it has one, `problem` what the device is told."""

    def __init__(self, request: str | None, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.args = (request, problem)
        self.request, self.problem = request, problem

    def __str__(self) -> str:
        return self.problem.detail


def device_of(topic: str) -> str | None:
    """The device of the last level of a topic; None where its name cannot be one."""
    name = topic.rpartition("/")[2]
    return name if _DEVICE.fullmatch(name) else None


def read_request(payload: bytes) -> DeviceRequest:
    """A request of a message: the fields of POST /v1/jobs and an `id`. Refused names what is wrong."""
    if len(payload) > MAX_REQUEST:
        raise Refused(None, _problem(413, f"the message is larger than {MAX_REQUEST} bytes"))
    try:
        named = _Named.model_validate_json(payload)
    except ValidationError as error:
        raise Refused(None, _invalid(error)) from None
    fields = dict(named.model_extra or {})
    try:
        return DeviceRequest(named.id, JobRequest.model_validate(fields), payload.decode())
    except ValidationError as error:
        raise Refused(named.id, _invalid(error)) from None


def problem_of(error: LimnerError) -> Problem:
    """What a device is told of an error; of a full queue, after how many seconds to ask again."""
    if isinstance(error, InvalidInput):
        field = error.field
        found = (
            []
            if field is None
            else [FieldProblem(field=field, message=str(error), allowed=ALLOWED.get(field))]
        )
        told = _problem(422, str(error), found)
        if isinstance(error, RefusedByGate):
            return told.model_copy(update={"gate": error.gate, "reason": error.reason})
        return told
    if isinstance(error, NotFound):
        return _problem(404, str(error))
    if isinstance(error, Busy):
        return _problem(429, f"{error}; ask again in {max(1, math.ceil(error.retry_after))} seconds")
    return _problem(503, str(error))


def event(request: str | None, kind: str, data: Any) -> str:
    """A message on the topic of events; `data` is JSON already where it is a text."""
    told = data if isinstance(data, str) else json.dumps(data)
    return f'{{"request": {json.dumps(request)}, "event": {json.dumps(kind)}, "data": {told}}}'


def _invalid(error: ValidationError) -> Problem:
    found = []
    for item in error.errors(include_url=False, include_input=False):
        if item["type"] == "json_invalid":
            return _problem(400, f"the message is not JSON: {item['msg']}")
        name = str(item["loc"][0])[:80] if item["loc"] else "message"
        allowed = _ID_ALLOWED if name == "id" else ALLOWED.get(name)
        found.append(
            FieldProblem(field=name, message=item["msg"].removeprefix("Value error, "), allowed=allowed)
        )
    return _problem(422, "; ".join(f"{one.field}: {one.message}" for one in found), found)


def _problem(status: int, detail: str, errors: list[FieldProblem] | None = None) -> Problem:
    titles = {400: "Bad Request", 404: "Not Found", 413: "Content Too Large", 422: "Unprocessable Content",
              429: "Too Many Requests", 503: "Service Unavailable"}  # fmt: skip
    return Problem(title=titles[status], status=status, detail=detail, errors=errors or [])
