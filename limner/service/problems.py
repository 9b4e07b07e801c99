"""Errors on the wire: RFC 9457 problem documents that name the field and what it allows."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ..answers import FieldProblem, Problem
from ..errors import Busy, InvalidInput, NotFound, OverLimit, Refused, Unavailable
from .access.quotas import limit_headers
from .openai.refusals import in_openai_form, refusal
from .routing import methods_of
from .wire import JobRequest

log = logging.getLogger(__name__)


class _ProblemResponse(JSONResponse):
    """A problem document, or OpenAI's form of it where their clients asked."""

    media_type = "application/problem+json"

    def __init__(self, document: Problem, headers: Mapping[str, str] | None) -> None:
        shown = document.model_dump(exclude={"gate", "reason"} if document.gate is None else None)
        super().__init__(shown, document.status, headers=dict(headers or {}))
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if in_openai_form(scope):
            document = self._document
            param = document.errors[0].field if document.errors else None
            self.status_code, content = refusal(document.status, document.detail, param, document.gate)
            self.body = self.render(content)
            self.headers["content-type"] = "application/json"
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def problem(
    status: int,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
    refused: Refused | None = None,
) -> Response:
    """The answer for one error; what a gate `refused` says which and why."""
    gate = {} if refused is None else {"gate": refused.gate, "reason": refused.reason}
    document = Problem(title=_title(status), status=status, detail=detail, errors=list(errors), **gate)
    return _ProblemResponse(document, headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for its error statuses; `describe` adds the schema they point to."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {s: {"description": _title(s), "content": content} for s in statuses}


def describe(document: dict[str, Any], is_open: Callable[[str, str], bool]) -> dict[str, Any]:
    """Add to an OpenAPI document, in place, the schema of problems, and that what is not open may need a key."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    bearer = {"type": "http", "scheme": "bearer", "description": "A key, where the service has any."}
    cookie = {
        "type": "apiKey",
        "in": "cookie",
        "name": "limner_session",
        "description": "Of POST /v1/session; where the address has a port, `limner_session_8400`, say.",
    }
    document["components"]["securitySchemes"] = {"key": bearer, "session": cookie}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if is_open(method.upper(), path):
                continue
            operation["security"] = [{}, {"key": []}, {"session": []}]
            operation["responses"] |= {str(k): v for k, v in documented(401, 403).items()}
    return document


def install(app: FastAPI, allowed: Callable[[str, str | None], str | None]) -> None:
    """Make `app` answer every error with a problem document.

    `allowed(field, model)` says what a field of a job may be for the named model, or for the served one.
    """

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = error.errors()
        broken = next((item for item in found if item["type"] == "json_invalid"), None)
        if broken is not None:
            reason = broken.get("ctx", {}).get("error", "it cannot be read")
            return problem(400, f"the body is not JSON: {reason}")
        model = error.body.get("model") if isinstance(error.body, dict) else None
        asked = model if isinstance(model, str) else None
        if found and found[0]["loc"] == ("body",) and found[0]["type"] == "missing":
            return problem(422, "the body is empty")
        errors = [_field(item, asked, allowed, _fields(request)) for item in found]
        return problem(422, "; ".join(f"{e.field}: {e.message}" for e in errors), errors)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, InvalidInput)
        by_gate = error if isinstance(error, Refused) else None
        if error.field is None:
            return problem(422, str(error), refused=by_gate)
        model = getattr(request.state, "model", None)
        found = FieldProblem(field=error.field, message=str(error), allowed=allowed(error.field, model))
        return problem(422, f"{error.field}: {error}", [found], refused=by_gate)

    async def missing(request: Request, error: Exception) -> Response:
        return problem(404, str(error))

    async def busy(request: Request, error: Exception) -> Response:
        assert isinstance(error, Busy)
        wait = max(1, math.ceil(error.retry_after))
        headers = {"Retry-After": str(wait)}
        if isinstance(error, OverLimit):
            headers |= limit_headers(error.name, error.limit, error.window, error.left, wait)
        return problem(429, str(error), headers=headers)

    async def unavailable(request: Request, error: Exception) -> Response:
        return problem(503, str(error), headers={"Retry-After": "5"})

    async def crowded(request: Request, error: Exception) -> Response:
        return problem(503, "the database is busy; try again soon", headers={"Retry-After": "5"})

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail, headers = error.detail, error.headers
        if error.status_code == 404:
            detail = f"nothing is at {request.url.path[:200]}"
        elif error.status_code == 405:
            detail = f"{request.url.path[:200]} does not take {request.method}"
            headers = {"Allow": ", ".join(methods_of(request.scope))}
        return problem(error.status_code, detail, headers=headers)

    async def crashed(request: Request, error: Exception) -> Response:
        own = getattr(request.state, "request_id", "")
        log.error("%s %s failed", request.method, request.url.path, exc_info=error, extra={"request": own})
        return problem(500, "something in the service went wrong; its log says what")

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(InvalidInput, refused)
    app.add_exception_handler(NotFound, missing)
    app.add_exception_handler(Busy, busy)
    app.add_exception_handler(Unavailable, unavailable)
    app.add_exception_handler(NoFreeConnection, crowded)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, crashed)


def _title(status: int) -> str:
    return "Unprocessable Content" if status == 422 else HTTPStatus(status).phrase


def _fields(request: Request) -> Sequence[str]:
    """The fields of the body that the route takes."""
    body = getattr(request.scope.get("route"), "body_field", None)
    taken = getattr(getattr(body, "field_info", None), "annotation", None)
    return list(getattr(taken, "model_fields", JobRequest.model_fields))


def _field(
    item: Mapping[str, Any],
    model: str | None,
    allowed: Callable[[str, str | None], str | None],
    known: Sequence[str],
) -> FieldProblem:
    place, *rest = item["loc"]
    name = (str(rest[0]) if rest else str(place)).encode("utf-8", "replace").decode()[:80]
    if item["type"] == "extra_forbidden":
        return FieldProblem(field=name, message="unknown field", allowed=f"the fields {', '.join(known)}")
    message = str(item["msg"]).removeprefix("Value error, ")
    if place != "body":
        bounds = item.get("ctx", {})
        said = ", ".join(f"{key} {value}" for key, value in bounds.items())
        return FieldProblem(field=name, message=message, allowed=said or None)
    if not rest:
        return FieldProblem(field="body", message=message, allowed="a JSON object")
    return FieldProblem(field=name, message=message, allowed=allowed(name, model))
