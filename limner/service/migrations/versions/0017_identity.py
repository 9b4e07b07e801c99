"""A name of its own for every database."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and its one row."""
    table = op.create_table("identity", sa.Column("id", sa.String(), primary_key=True))
    op.bulk_insert(table, [{"id": secrets.token_hex(16)}])


def downgrade() -> None:
    """Drop it; the picture store stays marked."""
    op.drop_table("identity")
