"""What devices ask by MQTT."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "device_requests",
        sa.Column("device", sa.String(), primary_key=True),
        sa.Column("request", sa.String(), primary_key=True),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("job", sa.String(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("told_at", sa.Double(), nullable=True),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("device_requests")
