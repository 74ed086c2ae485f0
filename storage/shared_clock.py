"""The wall clock of everybody who shares the database: ours, corrected by how far the database's is ahead."""

from datetime import datetime, timedelta

from bot.clock import utc_now
from storage.database import Database, offset


class SharedClock:
    """Lets processes agree on what is over although their own clocks differ."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ahead = 0.0  # seconds; 0 until read, and for a file

    def __call__(self) -> datetime:
        return utc_now() + timedelta(seconds=self.ahead)

    async def read(self) -> None:
        self.ahead = await offset(self._database, utc_now)
