"""What uses a picture, and what was said of it, found by indexes."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_AT_ONCE = 1000
_ALL = (
    ("images_by_image", "images", "image"),
    ("feedback_by_image", "feedback", "image"),
    ("feedback_by_over", "feedback", "over"),
    ("pins_by_image", "pins", "image"),
)
_THERE = (  # of the rows alone that have the last column
    ("jobs_by_image", "jobs", "image", "image"),
    ("jobs_by_mask", "jobs", "mask", "mask"),
    ("jobs_by_derived_from", "jobs", "derived_from", "derived_from"),
    ("images_with_more", "images", "job", "beside"),
)
_JOBS = sa.table("jobs", *(sa.column(name) for name in ("number", "request", "image", "mask")))


def upgrade() -> None:
    """Add the columns, filled from the requests, and the indexes."""
    for name in ("image", "mask"):
        op.add_column("jobs", sa.Column(name, sa.String(), nullable=True))
    _fill(op.get_bind())
    for name, table, by in _ALL:
        op.create_index(name, table, [by])
    for name, table, by, column in _THERE:
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, table, [by], sqlite_where=there, postgresql_where=there)


def _fill(connection: sa.Connection) -> None:
    job, last = _JOBS.c, 0
    named = sa.or_(*(job.request.contains(f'"{name}":"') for name in ("image", "mask")))
    query = sa.select(job.number, job.request).where(named).order_by(job.number).limit(_AT_ONCE)
    change = sa.update(_JOBS).where(job.number == sa.bindparam("which"))
    while found := connection.execute(query.where(job.number > last)).all():
        asked = [(row.number, json.loads(row.request)) for row in found]
        values = [{"which": n, "image": each.get("image"), "mask": each.get("mask")} for n, each in asked]
        connection.execute(change.values(image=sa.bindparam("image"), mask=sa.bindparam("mask")), values)
        last = found[-1].number


def downgrade() -> None:
    """Drop them; requests still say the same."""
    for name, table, *_ in _ALL + _THERE:
        op.drop_index(name, table)
    op.drop_column("jobs", "mask")
    op.drop_column("jobs", "image")
