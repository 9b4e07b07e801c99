"""Pictures that gates withhold."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing was withheld before."""
    op.add_column("jobs", sa.Column("withheld", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it; what was withheld is not drawn again, and nobody knows why."""
    op.drop_column("jobs", "withheld")
