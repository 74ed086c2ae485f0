"""Counts what was asked and drilled in a time, for whoever wants a figure and no list."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from bot.canonical_json import iso
from bot.model import Purpose, State
from storage.database import Database
from storage.tables import runs

Counted = Mapping[tuple[Purpose, State], int]


async def counted(database: Database, since: datetime, until: datetime) -> Counted:
    """Returns how many runs were asked for in the time, by purpose and by the state that they have now."""
    query = (
        select(runs.c.purpose, runs.c.state, func.count())
        .where(runs.c.requested_at >= iso(since), runs.c.requested_at < iso(until))
        .group_by(runs.c.purpose, runs.c.state)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return Counter({(Purpose(purpose), State(state)): int(count) for purpose, state, count in rows})
