"""When backups are taken, what was done to targets without the bot, and which approvers have practised"""

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
    op.add_column("runs", sa.Column("drill_of", sa.String(64), nullable=True))
    op.add_column("installation", sa.Column("backups", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("heard_at", sa.String(24), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("label", sa.String(256), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("paths", sa.JSON, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=True),
        sa.Column("significant", sa.Boolean, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_index("ix_changes_target", "changes", ["target", "at"])
    op.create_index("ix_changes_heard_at", "changes", ["heard_at"])
    op.create_table(
        "practices",
        sa.Column("person", sa.String(32), primary_key=True),
        sa.Column("asked_at", sa.String(24), nullable=False),
        sa.Column("card", sa.String(16), nullable=False),
        sa.Column("answered_at", sa.String(24), nullable=True),
        sa.Column("answer", sa.String(8), nullable=False),
        sa.Column("silent", sa.Integer, nullable=False),
    )
    op.create_index("ix_practices_card", "practices", ["card"])
    op.add_column("duties", sa.Column("because", sa.Text, nullable=True))
    op.add_column("duties", sa.Column("changed_at", sa.String(24), nullable=True))
