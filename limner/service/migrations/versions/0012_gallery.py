"""Pins, and prompts that can be searched."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column, with the prompts of the jobs that are there."""
    op.create_table(
        "pins",
        sa.Column("owner", sa.String(), primary_key=True),
        sa.Column("image", sa.String(), primary_key=True),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.add_column("jobs", sa.Column("prompt", sa.Text(), nullable=False, server_default=""))
    jobs = sa.table("jobs", sa.column("number"), sa.column("request"), sa.column("prompt"))
    connection = op.get_bind()
    for number, request in connection.execute(sa.select(jobs.c.number, jobs.c.request)).all():
        prompt = json.loads(request)["prompt"]
        connection.execute(sa.update(jobs).where(jobs.c.number == number).values(prompt=prompt))


def downgrade() -> None:
    """Drop them; the prompts stay in the requests."""
    op.drop_column("jobs", "prompt")
    op.drop_table("pins")
