"""What was said of pictures, kept in the database: one saying an owner and picture, or an owner and pair."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, delete, or_, select
from sqlalchemy.orm import Session, sessionmaker

from ...engine.request import DrawRequest
from ...errors import InvalidInput, NotFound
from ..database import one_at_a_time
from ..schema import FeedbackRow, ImageRow, JobRow

UP, DOWN = 1, -1


@dataclass(frozen=True)
class Said:
    """What `owner` says of picture `image`: `vote` UP, DOWN or None, a `note` and a better `caption`, or "".

    With `over` it says that `image` is the better of the two, for the same prompt. `prompt`, `seed` and `model` (with
    its version) are what drew `image`; times are seconds since 1970.
    """

    id: str
    owner: str
    job: str
    image: str
    over: str | None
    prompt: str
    seed: int
    model: str
    vote: int | None
    note: str
    caption: str
    created_at: float
    updated_at: float


class FeedbackStore:
    """The feedback in one database. Safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._reads = sessionmaker(engine)
        self._writes = sessionmaker(engine.execution_options(write=True))

    def say(
        self,
        owner: str,
        sees: str | None,
        image: str,
        over: str | None = None,
        vote: int | None = None,
        note: str = "",
        caption: str = "",
    ) -> Said:
        """Keep what `owner` says of a picture, in place of what they said before.

        `sees` is the owner whose pictures they may speak of, None for everybody's. InvalidInput names a picture
        that was not drawn for them, and a pair that is not of one prompt.
        """
        with self._writes.begin() as session:
            one_at_a_time(session.connection())
            picture, job = _drawn(session, sees, "image", image)
            request = DrawRequest.model_validate_json(job.request)
            if over is not None:
                _, other = _drawn(session, sees, "over", over)
                if DrawRequest.model_validate_json(other.request).prompt != request.prompt or over == image:
                    raise InvalidInput("only two pictures of one prompt can be compared", field="over")
                session.execute(delete(FeedbackRow).where(*_of(owner, over, image)))
            now = time.time()
            row = session.scalar(select(FeedbackRow).where(*_of(owner, image, over)))
            if row is None:
                row = FeedbackRow(
                    id=secrets.token_hex(12), owner=owner, image=image, over=over or "", created_at=now
                )
                session.add(row)
            row.job, row.prompt, row.seed, row.model = job.id, request.prompt, picture.seed, request.model
            row.vote, row.note, row.caption, row.updated_at = vote, note, caption, now
            session.flush()
            return _said(row)

    def page(
        self, limit: int, before: str | None = None, owner: str | None = None, image: str | None = None
    ) -> list[Said]:
        """What was said first by `owner`, by everybody where it is None, newest first; of `image` where it is named.

        `before` is the id of a saying: older ones follow. NotFound without it.
        """
        with self._reads.begin() as session:
            query = select(FeedbackRow).order_by(FeedbackRow.number.desc()).limit(limit)
            if owner is not None:
                query = query.where(FeedbackRow.owner == owner)
            if image is not None:
                query = query.where(or_(FeedbackRow.image == image, FeedbackRow.over == image))
            if before is not None:
                query = query.where(FeedbackRow.number < _row(session, before, owner).number)
            return [_said(row) for row in session.scalars(query)]

    def take_back(self, said: str, owner: str | None = None) -> Said:
        """Forget a saying of `owner`, of anybody where it is None; gives it. NotFound without it."""
        with self._writes.begin() as session:
            row = _row(session, said, owner)
            found = _said(row)
            session.delete(row)
            return found

    def all(self) -> Iterator[Said]:
        """Everything that was said, oldest first."""
        last = 0
        while True:
            with self._reads.begin() as session:
                query = select(FeedbackRow).where(FeedbackRow.number > last).order_by(FeedbackRow.number)
                rows = list(session.scalars(query.limit(500)))
                if not rows:
                    return
                last, found = rows[-1].number, [_said(row) for row in rows]
            yield from found


def _of(owner: str, image: str, over: str | None) -> list[ColumnElement[bool]]:
    return [FeedbackRow.owner == owner, FeedbackRow.image == image, FeedbackRow.over == (over or "")]


def _drawn(session: Session, sees: str | None, field: str, image: str) -> tuple[ImageRow, JobRow]:
    query = (
        select(ImageRow, JobRow).join(JobRow, ImageRow.job == JobRow.number).where(ImageRow.image == image)
    )
    if sees is not None:
        query = query.where(JobRow.owner == sees)
    found = session.execute(query.order_by(JobRow.number.desc()).limit(1)).first()
    if found is None:
        raise InvalidInput(f"no picture {image[:80]!r} was drawn here for you", field=field)
    return found[0], found[1]


def _row(session: Session, said: str, owner: str | None) -> FeedbackRow:
    row = session.scalar(select(FeedbackRow).where(FeedbackRow.id == said))
    if row is None or owner not in (None, row.owner):
        raise NotFound(f"no feedback {said[:80]!r}")
    return row


def _said(row: FeedbackRow) -> Said:
    return Said(
        id=row.id,
        owner=row.owner,
        job=row.job,
        image=row.image,
        over=row.over or None,
        prompt=row.prompt,
        seed=row.seed,
        model=row.model,
        vote=row.vote,
        note=row.note,
        caption=row.caption,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
