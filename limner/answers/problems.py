"""What went wrong with a request."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FieldProblem(BaseModel):
    """One field that is wrong, and what it allows where that can be said."""

    field: str
    message: str
    allowed: str | None = None


class Problem(BaseModel):
    """A problem document (RFC 9457) with the fields that are wrong; where a gate refused, `gate` and its `reason`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "steps: Input should be less than or equal to 150",
                    "errors": [
                        {
                            "field": "steps",
                            "message": "Input should be less than or equal to 150",
                            "allowed": "a whole number from 1 to 150",
                        }
                    ],
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
    gate: str | None = None
    reason: str | None = None
