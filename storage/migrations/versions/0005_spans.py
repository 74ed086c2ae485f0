"""When which state of a target was live, as far as somebody has looked"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spans",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("point", sa.String(256), nullable=False),
        sa.Column("token", sa.String(512), nullable=False),
        sa.Column("label", sa.String(256), nullable=False),
        sa.Column("author", sa.String(256), nullable=True),
        sa.Column("run_id", sa.String(16), nullable=True),
        sa.Column("after", sa.String(24), nullable=True),
        sa.Column("since", sa.String(24), nullable=False),
        sa.Column("seen", sa.String(24), nullable=False),
        sa.Index("ix_spans_target", "target", "id"),
    )
