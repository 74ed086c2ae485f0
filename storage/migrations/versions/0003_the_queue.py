"""The queue: Procrastinate's own schema, on PostgreSQL only

As the installed library has it. A later version of the library that changes it comes with a revision here.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    from procrastinate.schema import SchemaManager  # of the extra `postgres`

    raw = connection.connection.driver_connection
    assert raw is not None  # it runs the statement before this one
    raw.execute(SchemaManager.get_schema())  # many statements at once: only the driver itself takes that
