"""How often the engine ended while it drew a job alone."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count; nothing is known against the jobs that are there."""
    op.add_column("jobs", sa.Column("strikes", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop the count."""
    op.drop_column("jobs", "strikes")
