"""What share of the time a key gets."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the weight; all keys get equal shares, as before."""
    op.add_column("keys", sa.Column("weight", sa.Double(), nullable=False, server_default="1"))


def downgrade() -> None:
    """Drop it; all get equal shares again."""
    op.drop_column("keys", "weight")
