"""Forgetting a job: its row, its pictures with what was said of them, what it was made from.

As far as nothing else of its owner needs them.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, delete, or_, select
from sqlalchemy.orm import Session, sessionmaker

from ..engine.request import DrawRequest
from .database import one_at_a_time
from .jobs import Beside
from .schema import FeedbackRow, HoldingRow, ImageRow, JobRow, PinRow


def forget(engine: Engine, job: str, remove: Callable[[str], None]) -> None:
    """Forget a job, where it is there. `remove` is handed each picture that nobody holds any more.

    It is called before the change is committed: whoever notes a picture down comes before that, and it is kept, or
    after, and finds it gone.
    """
    with sessionmaker(engine.execution_options(write=True)).begin() as session:
        one_at_a_time(session.connection())
        row = session.scalar(select(JobRow).where(JobRow.id == job).with_for_update())
        if row is None:
            return
        owner, images = row.owner, _images(row)
        session.execute(delete(ImageRow).where(ImageRow.job == row.number))
        session.execute(delete(JobRow).where(JobRow.number == row.number))
        let_go = {image for image in images if not _needed(session, owner, image)}
        session.execute(delete(HoldingRow).where(HoldingRow.owner == owner, HoldingRow.image.in_(let_go)))
        of_them = or_(FeedbackRow.image.in_(let_go), FeedbackRow.over.in_(let_go))
        session.execute(delete(FeedbackRow).where(FeedbackRow.owner == owner, of_them))
        session.execute(delete(PinRow).where(PinRow.owner == owner, PinRow.image.in_(let_go)))
        held = set(session.scalars(select(HoldingRow.image).where(HoldingRow.image.in_(let_go))))
        for image in sorted(let_go - held):
            if not _needed(session, None, image):
                remove(image)


def _images(row: JobRow) -> set[str]:
    request = DrawRequest.model_validate_json(row.request)
    found = {name for name in (request.image, request.mask) if name is not None}
    for image in row.images:
        beside = Beside() if image.beside is None else Beside.model_validate_json(image.beside)
        found |= {image.image, *beside.ids}
    return found


def _needed(session: Session, owner: str | None, image: str) -> bool:
    """Whether a job that is left, of `owner` or of anybody, shows a picture or was made from it."""
    query = select(JobRow.number).outerjoin(ImageRow, ImageRow.job == JobRow.number)
    query = query.where(
        or_(ImageRow.image == image, ImageRow.beside.contains(image), JobRow.request.contains(image))
    )
    if owner is not None:
        query = query.where(JobRow.owner == owner)
    return session.scalar(query.limit(1)) is not None
