"""How Alembic reaches the database: one synchronous connection, given by `storage.database`.

An upgrade happens as a whole or not at all. SQLite can do that, but only when the driver keeps its hands
off: by itself it begins no transaction before CREATE TABLE. Of two upgrades at once one waits for the other.
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event

from storage.tables import metadata

LOCK = 0x726F6C6C  # of our upgrades among a PostgreSQL database's advisory locks


def _hands_off(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


engine = create_engine(context.config.get_main_option("sqlalchemy.url", ""))
if engine.dialect.name == "sqlite":
    event.listen(engine, "connect", _hands_off)
    event.listen(engine, "begin", _begin)
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True
    )
    with context.begin_transaction():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
        context.run_migrations()
engine.dispose()
