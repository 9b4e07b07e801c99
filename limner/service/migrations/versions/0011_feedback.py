"""What people say of pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "feedback",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("image", sa.String(), nullable=False),
        sa.Column("over", sa.String(), nullable=False, server_default=""),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("vote", sa.Integer()),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.Column("caption", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
    )
    op.create_index("feedback_of_owner", "feedback", ["owner", "image", "over"], unique=True)
    op.create_index("feedback_of_job", "feedback", ["job"])


def downgrade() -> None:
    """Drop it; what was said is forgotten."""
    op.drop_index("feedback_of_job", "feedback")
    op.drop_index("feedback_of_owner", "feedback")
    op.drop_table("feedback")
