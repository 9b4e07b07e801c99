"""What keys used, which key asked for a job, and requests that are not to be done twice."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; of the jobs that are there nobody knows which key asked, and they cost nothing."""
    op.create_table(
        "usage",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "once",
        sa.Column("owner", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", sa.Text()),
        sa.Column("body", sa.LargeBinary()),
    )
    op.create_index("once_by_age", "once", ["created_at"])
    op.add_column("jobs", sa.Column("key", sa.String()))
    op.add_column("jobs", sa.Column("cost", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("once", sa.String()))
    op.create_index("jobs_by_once", "jobs", ["once"], unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("jobs_by_once", "jobs")
    for column in ("once", "cost", "key"):
        op.drop_column("jobs", column)
    op.drop_index("once_by_age", "once")
    op.drop_table("once")
    op.drop_table("usage")
