"""Plans that pin contents and places

What waits for approval, or for its start, under a plan of before is looked at by a worker once more, which
ends it: nobody may agree to such a plan any more.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE runs SET wants_driving = true WHERE state IN ('awaiting_approval', 'approved')")
