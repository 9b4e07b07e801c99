"""Calls to say something of a picture, to read it again and to take it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ...answers import FeedbackPage, FeedbackView
from ...engine.request import DrawRequest
from ..access import Calling
from ..problems import documented
from ..service import Service
from ..wire import PictureId
from .wire import FeedbackRequest, feedback_view

router = APIRouter()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.post(
    "/v1/feedback",
    response_model=FeedbackView,
    responses=documented(400, 403, 413, 415, 421, 422),
    summary="Say something of a picture",
)
def say(request: Request, caller: Calling, asked: FeedbackRequest) -> FeedbackView:
    """A vote, a note, what the picture really shows, or that it is the better of two.

    It takes the place of what you said of the same picture, or pair, before. Words of it pass the gates of prompts."""
    for field in ("caption", "note"):
        if words := getattr(asked, field):
            _service(request).gates.check_prompt(DrawRequest(prompt=words), field)
    return feedback_view(_service(request).feedback.say(caller.owner, caller.sees, **asked.said()))


@router.get(
    "/v1/feedback",
    response_model=FeedbackPage,
    responses=documented(404, 422),
    summary="What was said",
)
def list_feedback(
    request: Request,
    caller: Calling,
    limit: Annotated[int, Query(ge=1, le=100)] = 24,
    before: Annotated[str | None, Query(max_length=64, description="An id: older ones follow.")] = None,
    image: Annotated[PictureId | None, Query(description="Of this picture alone, pairs too.")] = None,
    mine: Annotated[bool, Query(description="Not what others said, which an admin's key sees.")] = False,
) -> FeedbackPage:
    """What the caller said, newest first; of an admin what everybody said."""
    owner = caller.owner if mine else caller.sees
    found = _service(request).feedback.page(limit + 1, before, owner, image)
    more = found[limit - 1].id if len(found) > limit else None
    return FeedbackPage(feedback=[feedback_view(said) for said in found[:limit]], next=more)


@router.delete(
    "/v1/feedback/{feedback_id}",
    response_model=FeedbackView,
    responses=documented(403, 404, 422),
    summary="Take it back",
)
def take_back(request: Request, caller: Calling, feedback_id: str) -> FeedbackView:
    """Forget what was said; the answer is what it was."""
    return feedback_view(_service(request).feedback.take_back(feedback_id, caller.sees))
