"""What was typed, where a word has several senses."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing was read in other words before."""
    op.add_column("jobs", sa.Column("said", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it; what was typed is forgotten, what was drawn stays."""
    op.drop_column("jobs", "said")
