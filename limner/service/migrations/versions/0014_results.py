"""What a picture depends on, so that it is known again."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the pictures that are there are not known again."""
    op.add_column("images", sa.Column("digest", sa.String(), nullable=True))
    op.add_column("images", sa.Column("reused", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("images_by_digest", "images", ["digest"])


def downgrade() -> None:
    """Drop them; the pictures stay."""
    op.drop_index("images_by_digest", "images")
    op.drop_column("images", "reused")
    op.drop_column("images", "digest")
