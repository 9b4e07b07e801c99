"""Forgetting a job, or one picture: rows, pictures with what was said of them, what they were made from.

As far as nothing else of their owner needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import ColumnElement, Engine, delete, or_, select, true, union_all, update
from sqlalchemy.orm import Session, sessionmaker

from ..answers import FINAL
from ..errors import InvalidInput, NotFound
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
        _delete(session, row)
        let_go = {image for image in images if not _needed(session, owner, image)}
        _say_nothing_of(session, owner, let_go)
        for image in _held_by_nobody(session, let_go):
            if not _needed(session, None, image):
                _say_nothing_of(session, None, {image})
                remove(image)


def forget_picture(
    engine: Engine, image: str, owners: Collection[str] | None, remove: Callable[[str], None]
) -> None:
    """Forget a picture of `owners`, None: of everybody, in all jobs that show it, with what came with it. `remove` as
    of `forget`.

    A job that shows no other picture goes with it; one that was made from it stays. NotFound where they have no such
    picture; InvalidInput where a job that is not done needs it, or it came with another picture.
    """
    with sessionmaker(engine.execution_options(write=True)).begin() as session:
        one_at_a_time(session.connection())
        having = _owners(session, image, owners)
        if not having:
            raise NotFound(f"no picture {image[:80]!r}")
        let_go: set[str] = set()
        for each in having:
            freed = _take_down(session, image, each)
            freed = {image} | {one for one in freed if not _needed(session, each, one)}
            _say_nothing_of(session, each, freed)
            let_go |= freed
        for one in _held_by_nobody(session, let_go):
            if one == image or not _needed(session, None, one):
                _say_nothing_of(session, None, {one})
                remove(one)


def _owners(session: Session, image: str, owners: Collection[str] | None) -> set[str]:
    """Whose it is: of those who hold it, or have a job that shows it, `owners`, None: all."""
    shown = select(JobRow.owner).join(ImageRow, ImageRow.job == JobRow.number).where(ImageRow.image == image)
    held = select(HoldingRow.owner).where(HoldingRow.image == image)
    found = set(session.scalars(shown)) | set(session.scalars(held))
    return found if owners is None else found.intersection(owners)


def _take_down(session: Session, image: str, owner: str) -> set[str]:
    """Take a picture out of the jobs of `owner`; gives what those no longer need."""
    freed: set[str] = set()
    for row in list(session.scalars(select(JobRow).where(*_uses(image, owner)))):
        if row.state not in FINAL:
            raise InvalidInput(
                f"picture {image} is needed by job '{row.id}': cancel that, or wait for its end", "image_id"
            )
        for shown in row.images:
            if shown.image == image:
                freed |= set() if shown.beside is None else set(Beside.model_validate_json(shown.beside).ids)
            elif shown.beside is not None and image in shown.beside:
                raise InvalidInput(
                    f"picture {image} came with picture {shown.image}: forget that one", "image_id"
                )
        left = [shown for shown in row.images if shown.image != image]
        if row.images and not left:
            freed |= _images(row)
            _delete(session, row)
        else:
            session.execute(delete(ImageRow).where(ImageRow.job == row.number, ImageRow.image == image))
    return freed - {image}


def _delete(session: Session, row: JobRow) -> None:
    session.execute(delete(ImageRow).where(ImageRow.job == row.number))
    session.execute(delete(JobRow).where(JobRow.number == row.number))


def _say_nothing_of(session: Session, owner: str | None, images: set[str]) -> None:
    """Delete that `owner` (everybody where it is None) holds them, what they said of them, that they pinned them, and
    that their jobs were derived from them."""

    def theirs(row: type[HoldingRow | FeedbackRow | PinRow | JobRow]) -> ColumnElement[bool]:
        return true() if owner is None else row.owner == owner

    session.execute(delete(HoldingRow).where(theirs(HoldingRow), HoldingRow.image.in_(images)))
    of_them = or_(FeedbackRow.image.in_(images), FeedbackRow.over.in_(images))
    session.execute(delete(FeedbackRow).where(theirs(FeedbackRow), of_them))
    session.execute(delete(PinRow).where(theirs(PinRow), PinRow.image.in_(images)))
    derived = theirs(JobRow), JobRow.derived_from.in_(images)
    session.execute(update(JobRow).where(*derived).values(derived_from=None))


def _held_by_nobody(session: Session, images: set[str]) -> list[str]:
    return sorted(images - set(session.scalars(select(HoldingRow.image).where(HoldingRow.image.in_(images)))))


def _images(row: JobRow) -> set[str]:
    found = {name for name in (row.image, row.mask) if name is not None}
    for image in row.images:
        beside = Beside() if image.beside is None else Beside.model_validate_json(image.beside)
        found |= {image.image, *beside.ids}
    return found


def _uses(image: str, owner: str | None) -> list[ColumnElement[bool]]:
    """Of a job: it shows a picture, shows one with which that came, or was made from it; with `owner`, it is theirs."""
    came_with = ImageRow.beside.is_not(None), ImageRow.beside.contains(image)
    jobs = union_all(
        select(ImageRow.job).where(ImageRow.image == image),
        select(ImageRow.job).where(*came_with),
        select(JobRow.number).where(JobRow.image == image),
        select(JobRow.number).where(JobRow.mask == image),
    )
    # Made longer by nothing, an owner is not looked up: one may have all the jobs that there are.
    theirs = [] if owner is None else [JobRow.owner.concat("") == owner]
    return [JobRow.number.in_(jobs), *theirs]


def _needed(session: Session, owner: str | None, image: str) -> bool:
    """Whether a job that is left, of `owner` or of anybody, shows a picture or was made from it."""
    return session.scalar(select(JobRow.number).where(*_uses(image, owner)).limit(1)) is not None
