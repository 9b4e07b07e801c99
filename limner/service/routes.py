"""The calls of the service, under /v1."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from starlette.responses import FileResponse, JSONResponse, StreamingResponse

from ..answers import Health, Ideas, JobPage, JobView, ModelList, Uploaded
from ..errors import NotFound
from ..storybook.worlds import WORLDS, world_learned
from .access import Calling
from .caching import is_named, unchanging
from .events import EventStream
from .following import feed_of
from .gallery import wanted
from .openai.models import model_cards
from .problems import documented
from .readings import Reader, preferred
from .service import Service
from .storage import is_id
from .wire import JobRequest, ModelReference, PictureId, image_url, job_view, model_view

router = APIRouter()
# Each event of a stream: what OpenAPI 3.1 has no word for.
_EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["queued", "step", "image", "withheld", "succeeded", "failed", "cancelled"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
AT_ONCE = 4 * 2**20
"""Bytes of a picture that are answered in one piece, as all that is drawn here; larger ones come piece by piece."""
# A card is one file: its style and its pictures are in it, and it runs nothing.
CARD_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.post(
    "/v1/jobs",
    status_code=202,
    response_model=JobView,
    responses=documented(400, 403, 413, 415, 421, 422, 429, 503),
    summary="Ask for pictures",
)
def make_job(
    request: Request,
    response: Response,
    caller: Calling,
    asked: JobRequest,
    accept_language: Annotated[str, Header(max_length=1000)] = "",
) -> JobView:
    """Queue a job. When the answer comes, the job is on the disk: it is drawn even after a crash."""
    service = _service(request)
    request.state.model = asked.model or service.model
    reader = Reader(asked.locale or preferred(accept_language), asked.readings)
    begun = asked.draw_request(service.model)
    job = service.accept(begun, asked.n, caller, asked.priority, reader, asked.anew, asked.derived_from)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job_view(job)


@router.get(
    "/v1/jobs",
    response_model=JobPage,
    responses=documented(404, 422),
    summary="What was made",
)
def list_jobs(
    request: Request,
    caller: Calling,
    limit: Annotated[int, Query(ge=1, le=100)] = 24,
    before: Annotated[str | None, Query(max_length=64, description="A job's id: older ones follow.")] = None,
    search: Annotated[str, Query(max_length=200, description="Words that the prompt has.")] = "",
    pinned: Annotated[bool, Query(description="Only jobs with a picture that the caller pinned.")] = False,
    made_from: Annotated[
        PictureId | None, Query(description="Only jobs that began or were derived from this picture.")
    ] = None,
    mine: Annotated[bool, Query(description="Not what others made, which an admin's key sees.")] = False,
) -> JobPage:
    """The caller's jobs in any state, newest first; of an admin everybody's."""
    service = _service(request)
    conditions = wanted(caller, search, pinned, made_from, mine)
    found = service.store.page(limit + 1, before, caller.sees, conditions)
    shown = found[:limit]
    more = shown[-1].id if len(found) > limit else None
    return JobPage(jobs=[job_view(job, service.feeds.step(job.id)) for job in shown], next=more)


@router.get(
    "/v1/jobs/{job_id}",
    response_model=JobView,
    responses=documented(404, 422),
    summary="One job",
)
def get_job(request: Request, caller: Calling, job_id: str) -> JobView:
    """A job as it is now."""
    service = _service(request)
    return job_view(service.store.get(job_id, caller.sees), service.feeds.step(job_id))


@router.delete(
    "/v1/jobs/{job_id}",
    response_model=JobView,
    responses=documented(403, 404, 422),
    summary="Cancel a job",
)
def cancel_job(
    request: Request,
    caller: Calling,
    job_id: str,
    forget: Annotated[bool, Query(description="Also forget the job and its pictures.")] = False,
) -> JobView:
    """Cancel a job; drawing stops at the next step. A job that is done is answered unchanged."""
    service = _service(request)
    if forget:
        return job_view(service.forget(job_id, caller))
    job = service.store.cancel(job_id, caller.sees)
    if job.state == "cancelled":
        service.runner.cancelled(job.id)
    return job_view(job, service.feeds.step(job_id))


@router.get(
    "/v1/jobs/{job_id}/events",
    responses={
        200: {
            "description": "Server-sent events: queued, step, image, withheld, then succeeded, failed or cancelled.",
            "content": {
                "text/event-stream": {
                    "schema": _EVENT,
                    "example": 'id: 2\nevent: step\ndata: {"step":1,"steps":20,"image":0,"preview":null}\n\n',
                }
            },
        },
        204: {"description": "The client has seen the last event."},
        **documented(404, 422),
    },
    summary="Follow a job",
)
def follow_job(
    request: Request,
    caller: Calling,
    job_id: str,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Follow a job to its end; with Last-Event-ID only what came after. A slow client misses steps."""
    job, feed = feed_of(_service(request), job_id, caller.sees)
    if job.final:
        cursor = int(last_event_id[:18]) if last_event_id and last_event_id.isdecimal() else 0
        if not feed.after(cursor)[0]:
            return Response(status_code=204)
        return EventStream(feed.follow(cursor))
    return EventStream(feed.follow(feed.resume_from(last_event_id)))


@router.post(
    "/v1/images",
    status_code=201,
    response_model=Uploaded,
    responses=documented(403, 413, 415, 421, 422, 503),
    summary="A picture to work from",
)
def upload_image(
    request: Request,
    response: Response,
    caller: Calling,
    picture: Annotated[bytes, Body(media_type="image/png")],
) -> Uploaded:
    """Send the file as it is: PNG, JPEG, WebP, BMP, GIF or TIFF. Its id is for `image` and `mask` of jobs; a picture
    that no job has taken up goes when others need the room."""
    image, width, height = _service(request).upload(picture, caller)
    response.headers["Location"] = f"/v1/images/{image}"
    return Uploaded(id=image, url=image_url(image), width=width, height=height)


@router.get(
    "/v1/images/{image_id}",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"image/png": {}}},
        304: {"description": "The client has it."},
        **documented(404, 422, 503),
    },
    summary="A picture",
)
def get_image(
    request: Request,
    caller: Calling,
    image_id: str,
    if_none_match: Annotated[str, Header(max_length=1000)] = "",
) -> Response:
    """The PNG file. An id never means another picture, so it may be kept for ever."""
    service = _service(request)
    headers = unchanging(image_id)
    if is_id(image_id) and is_named(if_none_match, image_id) and service.has_picture(image_id, caller):
        return Response(status_code=304, headers=headers)
    size, pieces = service.picture(image_id, caller)
    if size <= AT_ONCE:
        return Response(b"".join(pieces), media_type="image/png", headers=headers)
    return StreamingResponse(pieces, media_type="image/png", headers={**headers, "Content-Length": str(size)})


@router.delete(
    "/v1/images/{image_id}",
    status_code=204,
    responses=documented(403, 404, 422, 503),
    summary="Forget a picture",
)
def forget_image(
    request: Request,
    caller: Calling,
    image_id: str,
    mine: Annotated[bool, Query(description="Of an admin, not what others have of it.")] = False,
) -> Response:
    """Delete a picture that was drawn or uploaded: file, pins, votes, and the jobs that show nothing else. One that
    a job still needs to be drawn is refused."""
    _service(request).forget_picture(image_id, caller, mine)
    return Response(status_code=204)


@router.get("/v1/models", response_model=ModelList, summary="The models")
def list_models(request: Request) -> ModelList:
    """The models that jobs may name, with their sizes, limits and words; the served one first."""
    service = _service(request)
    models = service.studio.models()
    first = [m for m in models if service.model in {m.name, f"{m.name}@{m.version}"}]
    rest = [m for m in models if m not in first]
    views = [model_view(model, service.studio.judged(model)) for model in first + rest]
    return ModelList(models=views, data=model_cards(first + rest, request.app.state.answers_to))


@router.get(
    "/v1/models/{name}/{version}/card",
    responses={200: {"content": {"application/json": {}, "text/html": {}}}, **documented(404, 422)},
    response_class=FileResponse,
    summary="An evaluation card",
)
def get_card(
    request: Request, name: str, version: str, accept: Annotated[str, Header(max_length=1000)] = ""
) -> FileResponse:
    """How well a model draws, as its evaluation found: JSON, or a page for who accepts HTML. Of one that was not
    evaluated, the page with what was measured of its ways to draw, where that is there."""
    for model in _service(request).studio.models():
        card, page = model.path / "card.json", model.path / "card.html"
        if (model.name, model.version) != (name, version):
            continue
        if page.is_file() and ("text/html" in accept or not card.is_file()):
            return FileResponse(page, headers={"Content-Security-Policy": CARD_POLICY, "Vary": "Accept"})
        if card.is_file():
            return FileResponse(card, media_type="application/json", headers={"Vary": "Accept"})
    raise NotFound(f"no card for model '{name[:80]}' version '{version[:80]}'")


@router.get(
    "/v1/ideas",
    response_model=Ideas,
    responses=documented(404, 422),
    summary="Sentences to try",
)
def list_ideas(
    request: Request,
    n: Annotated[int, Query(ge=1, le=20)] = 1,
    model: Annotated[ModelReference | None, Query(description="Left out: the model that is served.")] = None,
) -> Ideas:
    """Sentences in words that a model knows: of the world of Storybook that it has learned."""
    service = _service(request)
    lineage = service.studio.model(model or service.model).manifest.lineage
    world = world_learned(lineage.recipe) or WORLDS["scenes"]
    return Ideas(ideas=[world.idea(secrets.randbits(32)) for _ in range(n)])


@router.get("/healthz", response_model=Health, summary="Whether the process works")
def healthz() -> Health:
    """Answers while the process works."""
    return Health(status="ok", parts={"process": "ok"})


@router.get(
    "/readyz",
    response_model=Health,
    responses={503: {"model": Health}},
    summary="Whether it can draw",
)
def readyz(request: Request) -> Response:
    """200 once the database answers and the model is loaded, 503 before."""
    parts = _service(request).readiness()
    good = all(value == "ok" for value in parts.values())
    health = Health(status="ok" if good else "waiting", parts=parts)
    return JSONResponse(health.model_dump(), 200 if good else 503)
