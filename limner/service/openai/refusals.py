"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`.

A problem document that is answered to one of these calls takes this form, whoever found the problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse
from starlette.types import Scope

CALLS = frozenset({"/v1/images/generations", "/v1/images/edits", "/v1/images/variations"})
_CODES = {
    401: "invalid_api_key",
    403: "forbidden",
    404: "model_not_found",
    413: "request_too_large",
    429: "rate_limit_exceeded",
    503: "service_unavailable",
}
_MODERATED, _MODERATED_TYPE = "moderation_blocked", "image_generation_user_error"
# Clients draw again at these statuses; what has a job already must not be drawn a second time.
ONCE = {"x-should-retry": "false"}


class ErrorView(BaseModel):
    """What went wrong; `param` is the parameter at fault, where it is one."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """An error."""

    error: ErrorView


def in_openai_form(scope: Scope) -> bool:
    """Whether errors of a request take this form."""
    path, method = scope.get("path", ""), scope.get("method")
    if method == "POST":
        return path in CALLS
    start, _, model = path.rpartition("/")
    return method == "GET" and start == "/v1/models" and bool(model)


def refusal(
    status: int, message: str, param: str | None = None, gate: str | None = None
) -> tuple[int, dict[str, Any]]:
    """A problem's status and text as status and document here, where everything that is invalid is a 400, and what a
    gate refuses is moderated."""
    if gate is not None:
        return 400, moderated(message, param).model_dump()
    status = 400 if status == 422 else status
    if status == 404 and param is None:
        param = "model"
    code = _CODES.get(status) or (None if param is None else "invalid_value")
    return status, error_of(status, message, param, code).model_dump()


def error_of(status: int, message: str, param: str | None = None, code: str | None = None) -> ErrorAnswer:
    """The document of an error; its type follows from the status."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    if status == 429:
        kind = "rate_limit_error"
    return ErrorAnswer(error=ErrorView(message=message, type=kind, param=param, code=code))


def moderated(message: str, param: str | None = None) -> ErrorAnswer:
    """The document of what a gate refused, in the words by which OpenAI's clients know it."""
    error = ErrorView(message=message, type=_MODERATED_TYPE, param=param, code=_MODERATED)
    return ErrorAnswer(error=error)


def answered(status: int, error: ErrorAnswer, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer for an error."""
    return JSONResponse(error.model_dump(), status, headers=dict(headers or {}))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for its error statuses."""
    return {s: {"model": ErrorAnswer, "description": HTTPStatus(s).phrase} for s in statuses}
