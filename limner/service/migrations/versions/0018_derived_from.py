"""What a job varies, where no picture is its beginning."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what was varied before nobody knows from what."""
    op.add_column("jobs", sa.Column("derived_from", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop it; what was drawn stays."""
    op.drop_column("jobs", "derived_from")
