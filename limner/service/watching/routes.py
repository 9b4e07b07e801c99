"""Metrics for Prometheus, and how the service is now."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import Response

from ...answers import Status
from .status import status_of

router = APIRouter()


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """For Prometheus; docs/watching.md says what each means."""
    text = generate_latest(request.app.state.metrics.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


@router.get("/v1/admin/status", response_model=Status, summary="How the service is")
def status(request: Request) -> Status:
    """The queue, what is being drawn, the last minute, memory, models and the last errors, without any prompt."""
    return status_of(request.app.state.service, request.app.state.recently)
