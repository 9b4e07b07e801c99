"""The calls of OpenAI's image API, under /v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from ...answers import ModelCard
from ...errors import InvalidInput
from ..access import Caller, Calling
from ..events import EventStream
from ..following import ended
from ..problems import documented as problems
from ..service import Service
from ..wire import ModelReference
from .asked import AskedDrawing, Generation, read
from .drawing import Order, answer, order
from .ends import error_at_end
from .formats import FULL, FileFormat, Look, shaped
from .models import meant, model_card
from .refusals import ONCE, answered, documented, error_of
from .sizes import size_of
from .streaming import streamed
from .told import ImagesAnswer

router = APIRouter()
PATIENCE = 600.0  # seconds
YEAR = 31_536_000
_FROM_NOISE: Mapping[str, Any] = {}
_OBJECT = TypeAdapter(dict[str, Any])
_REFUSALS = documented(400, 401, 403, 404, 408, 409, 413, 415, 421, 429, 500, 503, 504)


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    content = {"application/json": {"schema": kind.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/v1/images/generations",
    response_model=ImagesAnswer,
    response_model_exclude_none=True,
    responses=_REFUSALS,
    openapi_extra=_body(Generation),
    summary="Pictures of a prompt, as OpenAI's clients ask for them",
)
async def generate(request: Request, caller: Calling) -> Response:
    """Draw, and answer when all is drawn, or with `stream` as it comes. A client that leaves does not end the job."""
    asked = read(Generation, _fields(await request.body()))
    return await _drawn(request, caller, asked, asked.prompt)


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        return _OBJECT.validate_json(body)
    except ValidationError as error:
        raise InvalidInput(
            f"the body is no JSON object: {error.errors(include_url=False)[0]['msg']}"
        ) from None


async def _drawn(
    request: Request, caller: Caller, asked: AskedDrawing, prompt: str, begun: Mapping[str, Any] = _FROM_NOISE
) -> Response:
    service: Service = request.app.state.service
    base = str(request.base_url).rstrip("/")
    made = await run_in_threadpool(order, service, caller, asked, prompt, base, begun)
    if asked.stream:
        events = streamed(service, made, "image_generation", asked.partial_images or 0)
        stream = EventStream(events)
        stream.headers["Limner-Job"] = made.job.id
        return stream
    return await _awaited(service, made, asked.response_format)


async def _awaited(service: Service, made: Order, response_format: str | None) -> Response:
    """The answer when the job has ended; what already is a job, clients must not send again by themselves."""
    job_id = made.job.id
    headers = {"Limner-Job": job_id}
    try:
        job = await ended(service, job_id, PATIENCE)
    except TimeoutError:
        late = f"not drawn within {PATIENCE:g} seconds; job {job_id} goes on: GET /v1/jobs/{job_id}"
        return answered(504, error_of(504, late, code="timeout"), headers | ONCE)
    if job.state == "succeeded":
        found = await run_in_threadpool(answer, service, made, job, response_format)
        return Response(
            found.model_dump_json(exclude_none=True), media_type="application/json", headers=headers
        )
    status, error = error_at_end(job_id, job.state, job.error)
    return answered(status, error, headers | ONCE)


@router.get(
    "/v1/images/{image_id}/copy",
    response_class=Response,
    responses={200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}}, **problems(404, 422)},
    summary="A picture in another size or format",
)
def copy_image(
    request: Request,
    caller: Calling,
    image_id: str,
    size: Annotated[str | None, Query(max_length=40, description="WIDTHxHEIGHT, or auto: its own.")] = None,
    format: FileFormat = "png",
    compression: Annotated[int, Query(ge=0, le=100, description="Of JPEG and WebP; 100 is the best.")] = FULL,
) -> Response:
    """The middle of the picture in that shape, resized. The same address never means other bytes."""
    service: Service = request.app.state.service
    look = Look(size_of(size), format, compression)
    file = shaped(service.whole_picture(image_id, caller), look)
    headers = {"Cache-Control": f"private, max-age={YEAR}, immutable"}
    return Response(file, media_type=f"image/{format}", headers=headers)


@router.get(
    "/v1/models/{model}",
    response_model=ModelCard,
    responses=documented(400, 401, 404, 422),
    summary="A model, as OpenAI's clients ask for it",
)
def get_model(request: Request, model: Annotated[ModelReference, Path()]) -> ModelCard:
    """The model that a request may name so."""
    service: Service = request.app.state.service
    return model_card(meant(service.studio, model).model, model)
