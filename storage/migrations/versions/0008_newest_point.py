"""Of which time the newest restore point is that somebody is reminded of"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("duties", sa.Column("newest_at", sa.String(24), nullable=True))
    op.execute("DELETE FROM duties WHERE kind = 'old_point'")  # the next look at the target finds it anew
