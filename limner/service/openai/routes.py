"""The calls of OpenAI's image API, under /v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from ...answers import ModelCard
from ...errors import InvalidInput, LimnerError, NotFound
from ..access import Caller, Calling
from ..caching import is_named, unchanging
from ..events import EventStream
from ..following import ended
from ..problems import documented as problems
from ..readings import preferred
from ..service import Service
from ..storage import is_id
from ..wire import ModelReference
from .asked import Asked, AskedDrawing, Edit, Generation, Variation, read
from .beginnings import of_edit, of_variation
from .drawing import Desk, Order, answer, order
from .ends import error_at_end
from .formats import FULL, FileFormat, Look, shaped
from .forms import Form, form_schema, read_form
from .models import model_card
from .refusals import ONCE, answered, documented, error_of
from .sizes import size_of, written
from .streaming import Kind, streamed
from .told import ImagesAnswer

router = APIRouter()
PATIENCE = 570.0  # seconds: OpenAI's clients give up after 600, and would then send it again
_OBJECT = TypeAdapter(dict[str, Any])
_REFUSALS = documented(400, 401, 403, 404, 408, 409, 413, 415, 421, 429, 500, 503, 504)

_STREAM = {"type": "object", "required": ["event", "data"], "properties": {"data": {"type": "string"}}}
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The pictures, or with `stream` events.",
        "content": {"text/event-stream": {"schema": _STREAM}},
    }
}


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    content = {"application/json": {"schema": kind.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/v1/images/generations",
    response_model=ImagesAnswer,
    response_model_exclude_none=True,
    responses=_STREAMED | _REFUSALS,
    openapi_extra=_body(Generation),
    summary="Pictures of a prompt, as OpenAI's clients ask for them",
)
async def generate(request: Request, caller: Calling) -> Response:
    """Draw, and answer when all is drawn, or with `stream` as it comes. A client that leaves does not end the job."""
    asked = read(Generation, _fields(await request.body()))
    made = await run_in_threadpool(order, _desk(request, caller), asked, asked.prompt)
    return await _told(asked, made, "image_generation")


@router.post(
    "/v1/images/edits",
    response_model=ImagesAnswer,
    response_model_exclude_none=True,
    responses=_STREAMED | _REFUSALS,
    openapi_extra=form_schema(Edit, ("image", "mask")),
    summary="A picture changed, as OpenAI's clients ask for it",
)
async def edit(request: Request, caller: Calling) -> Response:
    """Draw from a picture, where a mask is transparent or all over, and answer as generations do."""
    form = read_form(request, ("image", "mask"))
    asked, made = await run_in_threadpool(_edit, _desk(request, caller), await form)
    request.state.place.give_back()
    return await _told(asked, made, "image_edit")


def _edit(desk: Desk, form: Form) -> tuple[Edit, Order]:
    asked = read(Edit, form.fields, strict=False)
    begun = of_edit(desk, asked, form.files["image"], form.files.get("mask"))
    return asked, order(desk, asked, asked.prompt, begun)


@router.post(
    "/v1/images/variations",
    response_model=ImagesAnswer,
    response_model_exclude_none=True,
    responses=_REFUSALS,
    openapi_extra=form_schema(Variation, ("image",)),
    summary="Pictures like one, as OpenAI's clients ask for them",
)
async def vary(request: Request, caller: Calling) -> Response:
    """Draw pictures like the one that is sent, and answer when all are drawn."""
    form = read_form(request, ("image",))
    asked, made = await run_in_threadpool(_vary, _desk(request, caller), await form)
    request.state.place.give_back()
    return await _told(asked, made, "image_edit")


def _vary(desk: Desk, form: Form) -> tuple[Variation, Order]:
    asked = read(Variation, form.fields, strict=False)
    prompt, begun = of_variation(desk, asked, form.files["image"])
    return asked, order(desk, asked, prompt, begun)


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        return _OBJECT.validate_json(body)
    except ValidationError as error:
        raise InvalidInput(
            f"the body is no JSON object: {error.errors(include_url=False)[0]['msg']}"
        ) from None


def _desk(request: Request, caller: Caller) -> Desk:
    state = request.app.state
    base, locale = str(request.base_url).rstrip("/"), preferred(request.headers.get("accept-language", ""))
    return Desk(state.service, caller, base, state.answers_to, locale)


async def _told(asked: Asked, made: Order, kind: Kind) -> Response:
    if isinstance(asked, AskedDrawing) and asked.stream:
        stream = EventStream(streamed(made, kind, asked.partial_images or 0))
        stream.headers["Limner-Job"] = made.job.id
        return stream
    return await _awaited(made, asked.response_format)


async def _awaited(made: Order, response_format: str | None) -> Response:
    """The answer when the job has ended; what already is a job, clients must not send again by themselves."""
    job_id = made.job.id
    headers = {"Limner-Job": job_id}
    try:
        job = await ended(made.desk.service, job_id, PATIENCE)
    except TimeoutError:
        late = f"not drawn within {PATIENCE:g} seconds; job {job_id} goes on: GET /v1/jobs/{job_id}"
        return answered(504, error_of(504, late, code="timeout"), headers | ONCE)
    except NotFound:  # forgotten meanwhile
        status, error = error_at_end(job_id, "cancelled", None)
        return answered(status, error, headers | ONCE)
    except LimnerError as unknown:
        told = f"job {job_id} goes on: GET /v1/jobs/{job_id} ({unknown})"
        return answered(503, error_of(503, told), headers | ONCE)
    if job.state == "succeeded":
        try:
            found = await run_in_threadpool(answer, made, job, response_format)
        except LimnerError as unread:
            return answered(503, error_of(503, f"job {job_id} is drawn, but {unread}"), headers | ONCE)
        return Response(
            found.model_dump_json(exclude_none=True), media_type="application/json", headers=headers
        )
    status, error = error_at_end(job_id, job.state, job.error, job.withheld)
    return answered(status, error, headers | ONCE)


@router.get(
    "/v1/images/{image_id}/copy",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}},
        304: {"description": "The client has it."},
        **problems(404, 422),
    },
    summary="A picture in another size or format",
)
def copy_image(
    request: Request,
    caller: Calling,
    image_id: str,
    size: Annotated[str | None, Query(max_length=40, description="WIDTHxHEIGHT, or auto: its own.")] = None,
    format: FileFormat = "png",
    compression: Annotated[int, Query(ge=0, le=100, description="Of JPEG and WebP; 100 is the best.")] = FULL,
    if_none_match: Annotated[str, Header(max_length=1000)] = "",
) -> Response:
    """The middle of the picture in that shape, resized. The same address never means another picture."""
    service: Service = request.app.state.service
    look = Look(size_of(size), format, compression)
    shape = "auto" if look.size is None else written(look.size)
    tag = f"{image_id}-{shape}-{format}-{compression}"
    headers = unchanging(tag)
    if service.signer is not None:  # signed anew each time, so that the bytes are not the same
        headers["ETag"] = f"W/{headers['ETag']}"
    if is_id(image_id) and is_named(if_none_match, tag) and service.has_picture(image_id, caller):
        return Response(status_code=304, headers=headers)
    file = shaped(service.whole_picture(image_id, caller), look, service.signer)
    return Response(file, media_type=f"image/{format}", headers=headers)


@router.get(
    "/v1/models/{model}",
    response_model=ModelCard,
    responses=documented(400, 401, 404, 422),
    summary="A model, as OpenAI's clients ask for it",
)
def get_model(request: Request, caller: Calling, model: Annotated[ModelReference, Path()]) -> ModelCard:
    """The model that a request may name so."""
    return model_card(_desk(request, caller).meant(model).model, model)
