"""Ends of a job that are no pictures, as OpenAI's clients read them."""

from __future__ import annotations

from collections.abc import Sequence

from ...answers import State, WithheldView
from .refusals import ErrorAnswer, error_of, moderated


def error_at_end(
    job: str, state: State, reason: str | None, withheld: Sequence[WithheldView] = ()
) -> tuple[int, ErrorAnswer]:
    """Status and error of a job that ended without its pictures, perhaps because they are withheld; one that is not
    final waits for the service."""
    if state == "failed" and withheld:
        return 400, moderated(f"job {job}: {reason}")
    if state == "cancelled":
        return 409, error_of(409, f"job {job} was cancelled", code="cancelled")
    if state == "failed":
        return 500, error_of(
            500, f"job {job} failed: {reason or 'no reason is known'}", code="drawing_failed"
        )
    stopping = f"the service is stopping; job {job} is drawn when it is back: GET /v1/jobs/{job}"
    return 503, error_of(503, stopping, code="service_unavailable")
