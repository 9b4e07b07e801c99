"""How urgent a job is."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; somebody waits for the jobs that are there."""
    op.add_column("jobs", sa.Column("priority", sa.String(), nullable=False, server_default="interactive"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "priority")
