"""What is due between incidents, whom it was told, and what drills have shown"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duties",
        sa.Column("key", sa.String(12), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(16), nullable=False),
        sa.Column("due_at", sa.String(24), nullable=False),
        sa.Column("next_at", sa.String(24), nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("every_seconds", sa.Integer, nullable=True),
        sa.Column("passed_at", sa.String(24), nullable=True),
        sa.Column("passed_over", sa.Integer, nullable=False),
        sa.Column("card", sa.String(16), nullable=True),
        sa.Column("put_off_by", sa.String(32), nullable=True),
        sa.Column("put_off_why", sa.Text, nullable=False),
        sa.Column("handed_to", sa.String(32), nullable=True),
        sa.Column("done_at", sa.String(24), nullable=True),
        sa.Column("done_by", sa.String(32), nullable=True),
        sa.UniqueConstraint("kind", "target", "run_id", name="uq_duties_what"),
    )
    op.create_table(
        "proofs",
        sa.Column("target", sa.String(64), primary_key=True),
        sa.Column("point", sa.String(256), primary_key=True),
        sa.Column("run_id", sa.String(16), nullable=False),
    )
    op.create_index("ix_duties_next_at", "duties", ["next_at"])
    op.create_index("ix_duties_card", "duties", ["card"])
