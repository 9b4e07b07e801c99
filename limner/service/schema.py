"""The tables: jobs and their pictures, keys, whose things are, what people say of pictures.

Times are seconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def _of_those_that_have(name: str, column: str, by: str) -> Index:
    """An index of the rows alone that have `column`, in the order of `by`."""
    there = text(f"{column} IS NOT NULL")
    return Index(name, by, sqlite_where=there, postgresql_where=there)


class Base(DeclarativeBase):
    """What the migrations must add up to."""


class IdentityRow(Base):
    """The one row of what names this database: a random `id`, which it marks its picture store with."""

    __tablename__ = "identity"

    id: Mapped[str] = mapped_column(primary_key=True)


class JobRow(Base):
    """One job of `owner`: `request` is the resolved DrawRequest as JSON, `n` the number of pictures.

    `key` asked for it, and was charged `cost` (`access.quotas`); `once` is of its Idempotency-Key (`access.once`).

    `number` gives the order of the queue and of the history. While a job runs, `worker` holds it until
    `leased_until`; `attempts` counts how often it was taken, `losses` how often its worker or its engine ended
    meanwhile, `losses_alone` how often its worker while it was drawn alone, `strikes` the same of its engine; None
    where neither ended at all. `withheld` is JSON of the pictures that gates withhold. `image` and `mask` are the
    pictures of those names in the request; `derived_from` is the picture whose settings it varies.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_state", "state", "number"),
        Index("jobs_by_owner", "owner", "number"),
        Index("jobs_by_once", "once", unique=True),
        _of_those_that_have("jobs_by_image", "image", "image"),
        _of_those_that_have("jobs_by_mask", "mask", "mask"),
        _of_those_that_have("jobs_by_derived_from", "derived_from", "derived_from"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    owner: Mapped[str] = mapped_column(default="", server_default="")
    key: Mapped[str | None]
    cost: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    once: Mapped[str | None]
    prompt: Mapped[str] = mapped_column(Text, default="", server_default="")
    said: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str]
    request: Mapped[str] = mapped_column(Text)
    image: Mapped[str | None]
    mask: Mapped[str | None]
    n: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    losses_alone: Mapped[int] = mapped_column(default=0, server_default="0")
    strikes: Mapped[int | None]
    priority: Mapped[str] = mapped_column(default="interactive", server_default="interactive")
    worker: Mapped[str | None]
    leased_until: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(Text)
    withheld: Mapped[str | None] = mapped_column(Text)
    derived_from: Mapped[str | None]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    images: Mapped[list[ImageRow]] = relationship(order_by="ImageRow.index", lazy="selectin")


class ImageRow(Base):
    """Picture `index` (0 to n-1) of a job; `image` is its id in the image store, `beside` JSON of what came with it.

    `digest` stands for all that it depends on; `reused`: it was drawn for another job.
    """

    __tablename__ = "images"
    __table_args__ = (
        Index("images_by_digest", "digest"),
        Index("images_by_image", "image"),
        _of_those_that_have("images_with_more", "beside", "job"),
    )

    job: Mapped[int] = mapped_column(ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    seconds: Mapped[float]
    beside: Mapped[str | None] = mapped_column(Text)
    digest: Mapped[str | None]
    reused: Mapped[bool] = mapped_column(default=False, server_default=false())


class HoldingRow(Base):
    """`owner` holds picture `image`: drawn for them, or sent by them."""

    __tablename__ = "holdings"
    __table_args__ = (Index("holdings_by_image", "image"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(primary_key=True)


class DeviceRequestRow(Base):
    """What a device asked by MQTT, by the id that it gave: `asked` as it came, until it is noted to be a job, and the
    `job` that it became."""

    __tablename__ = "device_requests"

    device: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[str] = mapped_column(primary_key=True)
    asked: Mapped[str] = mapped_column(Text)
    job: Mapped[str | None]
    created_at: Mapped[float]
    told_at: Mapped[float | None]


class KeyRow(Base):
    """An API key: the SHA-256 of its secret as `digest`, `scopes` with blanks between them.

    `quota` is compute units a day, `rate` requests a minute; with twice the `weight` it gets twice the share.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    owner: Mapped[str]
    digest: Mapped[str]
    scopes: Mapped[str]
    quota: Mapped[int | None] = mapped_column(BigInteger)
    rate: Mapped[float | None]
    weight: Mapped[float] = mapped_column(default=1.0, server_default="1")
    created_at: Mapped[float]
    revoked_at: Mapped[float | None]


class SessionRow(Base):
    """A browser that is signed in with `key`: the SHA-256 of its cookie as `digest`."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    expires_at: Mapped[float]


class UsageRow(Base):
    """What `key` has `used` on `day`, counted from 1970-01-01 UTC: pixels times steps."""

    __tablename__ = "usage"

    key: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    used: Mapped[int] = mapped_column(BigInteger)


class OnceRow(Base):
    """An Idempotency-Key of `owner`: what the request was, and, once it is known, what the answer was."""

    __tablename__ = "once"
    __table_args__ = (Index("once_by_age", "created_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    created_at: Mapped[float]
    status: Mapped[int | None]
    headers: Mapped[str | None] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class FeedbackRow(Base):
    """What `owner` says of picture `image` of a job: `vote` 1, -1 or none; or that it is better than `over`."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index("feedback_of_owner", "owner", "image", "over", unique=True),
        Index("feedback_of_job", "job"),
        Index("feedback_by_image", "image"),
        Index("feedback_by_over", "over"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    owner: Mapped[str]
    job: Mapped[str]
    image: Mapped[str]
    over: Mapped[str] = mapped_column(default="", server_default="")
    prompt: Mapped[str] = mapped_column(Text)
    seed: Mapped[int] = mapped_column(BigInteger)
    model: Mapped[str]
    vote: Mapped[int | None]
    note: Mapped[str] = mapped_column(Text, default="", server_default="")
    caption: Mapped[str] = mapped_column(Text, default="", server_default="")
    created_at: Mapped[float]
    updated_at: Mapped[float]


class PinRow(Base):
    """`owner` pinned picture `image`."""

    __tablename__ = "pins"
    __table_args__ = (Index("pins_by_image", "image"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]
