"""What people say of pictures, and which they pinned."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class FeedbackView(BaseModel):
    """What somebody says of picture `image`, or, with `over`, that it is the better of the two."""

    id: str
    job: str
    image: str
    over: str | None
    prompt: str
    seed: int
    model: str
    vote: Literal["up", "down"] | None
    note: str
    caption: str
    created_at: datetime
    updated_at: datetime


class FeedbackPage(BaseModel):
    """What was said, newest first; `next` is the `before` of the following page, or null at the end."""

    feedback: list[FeedbackView]
    next: str | None


class Pins(BaseModel):
    """Ids of pinned pictures, the newest pin first."""

    images: list[str]
