"""What a client raises: Limner's own errors, with the problem document that the service answered.

LimnerError
├── ServiceError                     any answer that is an error; `problem` is the document
│   ├── RequestRefused (InvalidInput)   400, 408, 413, 415, 422; `field` names what is wrong
│   ├── AccessDenied                    401, 403, 421
│   ├── NotThere (NotFound)             404, 410
│   ├── ServiceBusy (Busy)              429 for longer than the client's patience
│   └── ServiceDown (Unavailable)       502, 503, 504 for longer than that
├── Unavailable                      no answer came at all, or none of a Limner of this version
├── JobFailed                        a job ended without its pictures
└── Cancelled                        somebody cancelled it
"""

from __future__ import annotations

from pydantic import ValidationError

from ..answers import JobView, Problem
from ..errors import Busy, InvalidInput, LimnerError, NotFound, Unavailable


class ServiceError(LimnerError):
    """The service answered with an error: `problem` is its document (RFC 9457), `status` the HTTP status."""

    def __init__(self, problem: Problem) -> None:
        Exception.__init__(self, problem)
        self.problem = problem
        self.status = problem.status

    def __str__(self) -> str:
        return self.problem.detail


class RequestRefused(ServiceError, InvalidInput):
    """What was asked cannot be done; `field` is the first that is wrong, where one is named."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.field = problem.errors[0].field if problem.errors else None


class AccessDenied(ServiceError):
    """The key is missing, unknown or not enough, or the service may not be used from here."""


class NotThere(ServiceError, NotFound):
    """No such job, picture or model."""


class ServiceBusy(ServiceError, Busy):
    """The queue is full or a quota is used up; worth another try after `retry_after` seconds."""

    def __init__(self, problem: Problem, retry_after: float = 1.0) -> None:
        super().__init__(problem)
        self.args = (problem, retry_after)
        self.retry_after = retry_after


class ServiceDown(ServiceError, Unavailable):
    """The service is starting, stopping or misses something that it needs."""


class JobFailed(LimnerError):
    """A job ended without its pictures; `job` says how far it came."""

    def __init__(self, job: JobView) -> None:
        super().__init__(job)
        self.job = job

    def __str__(self) -> str:
        return f"job {self.job.id} failed: {self.job.error or 'the service does not say why'}"


_BY_STATUS: dict[int, type[ServiceError]] = {
    **dict.fromkeys((400, 408, 413, 415, 422), RequestRefused),
    **dict.fromkeys((401, 403, 421), AccessDenied),
    **dict.fromkeys((404, 410), NotThere),
    **dict.fromkeys((502, 503, 504), ServiceDown),
}


def error_of(status: int, content: bytes, retry_after: float | None) -> ServiceError:
    """The error that an answer stands for, whether or not its body is a problem document."""
    try:
        problem = Problem.model_validate_json(content)
    except ValidationError:
        problem = Problem(title="error", status=status, detail=f"the service answered {status}")
    if status == 429:
        return ServiceBusy(problem, 1.0 if retry_after is None else retry_after)
    return _BY_STATUS.get(status, ServiceError)(problem)
