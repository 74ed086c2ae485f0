"""How Alembic reaches the database: one synchronous connection, given by `storage.database`."""

from alembic import context
from sqlalchemy import create_engine

from storage.tables import metadata

engine = create_engine(context.config.get_main_option("sqlalchemy.url", ""))
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
