"""When a backup of each target is taken, and what those that the clock has taken are numbered by"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("target", sa.String(64), primary_key=True),
        sa.Column("every_seconds", sa.Integer, nullable=False),
        sa.Column("due_at", sa.String(24), nullable=False),
        sa.Column("begun", sa.Integer, nullable=False),
    )
    op.add_column("installation", sa.Column("backups", sa.Integer, nullable=False, server_default="0"))
