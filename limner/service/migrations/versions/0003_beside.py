"""What came with a picture: smaller sizes, and which word drew what."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing came with the pictures that are there."""
    op.add_column("images", sa.Column("beside", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop the column; the pictures stay in the store."""
    op.drop_column("images", "beside")
