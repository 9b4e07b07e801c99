"""Keys, and whose the jobs and pictures are."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; the jobs that are there belong to the owner of a service without keys."""
    op.create_table(
        "keys",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("quota", sa.BigInteger()),
        sa.Column("rate", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
    )
    op.create_table(
        "holdings",
        sa.Column("owner", sa.String(), primary_key=True),
        sa.Column("image", sa.String(), primary_key=True),
    )
    op.create_index("holdings_by_image", "holdings", ["image"])
    op.add_column("jobs", sa.Column("owner", sa.String(), nullable=False, server_default=""))
    op.create_index("jobs_by_owner", "jobs", ["owner", "number"])


def downgrade() -> None:
    """Drop them; whose a job was is forgotten."""
    op.drop_index("jobs_by_owner", "jobs")
    op.drop_column("jobs", "owner")
    op.drop_index("holdings_by_image", "holdings")
    op.drop_table("holdings")
    op.drop_table("keys")
