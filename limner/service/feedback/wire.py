"""What is said of pictures, as it goes over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...answers import FeedbackView
from ...engine.request import MAX_PROMPT, NegativePrompt
from ...errors import InvalidInput
from ..wire import PictureId
from .store import DOWN, UP, Said

_VOTES: dict[str | None, int | None] = {"up": UP, "down": DOWN, None: None}
_NAMES: dict[int | None, Literal["up", "down"] | None] = {UP: "up", DOWN: "down", None: None}


class FeedbackRequest(BaseModel):
    """What you say of one of your pictures: `vote`, `note`, `caption`, at least one of them.

    Or, with `over`, that it is the better of two pictures of one prompt; a `note` may say why."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "examples": [{"image": "0" * 64, "vote": "down", "caption": "a green apple on a table"}]
        },
    )

    image: PictureId = Field(description="A picture that was drawn here.")
    over: PictureId | None = Field(
        None, description="Another picture of the same prompt, which is not as good."
    )
    vote: Literal["up", "down"] | None = None
    note: Annotated[NegativePrompt, AfterValidator(str.strip)] = ""
    caption: Annotated[NegativePrompt, AfterValidator(str.strip)] = Field(
        "", description="What the picture really shows; it is learned from in place of the prompt."
    )

    def said(self) -> dict[str, Any]:
        """The arguments of FeedbackStore.say. InvalidInput where nothing is said, or too much of a pair."""
        if self.over is None and not (self.vote or self.note or self.caption):
            raise InvalidInput("say something: a vote, a note or a caption", field="vote")
        if self.over is not None and (self.vote or self.caption):
            raise InvalidInput("the better of two has no vote and no caption of its own", field="over")
        return self.model_dump() | {"vote": _VOTES[self.vote]}


ALLOWED = {
    "over": "the id of another picture that was drawn for the same prompt",
    "vote": "up, down, or null",
    "note": f"up to {MAX_PROMPT} characters, no control characters",
    "caption": f"up to {MAX_PROMPT} characters, no control characters",
}


def feedback_view(said: Said) -> FeedbackView:
    """A saying as it is shown."""
    return FeedbackView(
        id=said.id,
        job=said.job,
        image=said.image,
        over=said.over,
        prompt=said.prompt,
        seed=said.seed,
        model=said.model,
        vote=_NAMES[said.vote],
        note=said.note,
        caption=said.caption,
        created_at=datetime.fromtimestamp(said.created_at, UTC),
        updated_at=datetime.fromtimestamp(said.updated_at, UTC),
    )
