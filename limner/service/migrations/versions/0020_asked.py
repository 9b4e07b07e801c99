"""What devices asked stays no longer than the job that it became."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Blank what has become a job: the job says the same."""
    op.execute("UPDATE device_requests SET asked = '' WHERE job IS NOT NULL")


def downgrade() -> None:
    """Nothing: it is not read once there is a job."""
