"""How often the service ended while it drew a job alone."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count; nobody knows of the jobs that are there."""
    op.add_column("jobs", sa.Column("losses_alone", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the count."""
    op.drop_column("jobs", "losses_alone")
