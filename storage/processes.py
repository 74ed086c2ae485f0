"""Which processes are there: a row that each of them renews, and that is forgotten when nobody does."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.processes import SEEN_WITHIN, LiveProcess
from storage.database import Database
from storage.tables import processes
from storage.times import loaded

FORGOTTEN_AFTER = timedelta(hours=1)


class ProcessStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, process: LiveProcess) -> None:
        """Says that it is there, as it is now, and forgets who has been silent for long."""
        told = {
            "name": process.name,
            "role": process.role,
            "zone": process.zone,
            "version": process.version,
            "key": process.key,
            "pins": dict(process.pins),
            "seen_at": iso(process.seen_at),
        }
        renewed = update(processes).where(processes.c.id == process.id).values(told)
        first = insert(processes).values(id=process.id, started_at=iso(process.started_at), **told)
        silent = delete(processes).where(processes.c.seen_at < iso(process.seen_at - FORGOTTEN_AFTER))

        async def work(connection: AsyncConnection) -> None:
            if (await connection.execute(renewed)).rowcount == 0:
                await connection.execute(first)
                await connection.execute(silent)

        await self._database.write(work)

    async def gone(self, process: LiveProcess) -> None:
        """Says that it has ended, so that nobody waits for it."""
        ended = delete(processes).where(processes.c.id == process.id)
        await self._database.write(lambda connection: connection.execute(ended))

    async def seen(self, now: datetime) -> tuple[LiveProcess, ...]:
        """Returns those that said so lately, by name."""
        query = (
            select(processes).where(processes.c.seen_at >= iso(now - SEEN_WITHIN)).order_by(processes.c.name)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            LiveProcess(
                row.id,
                row.name,
                row.role,
                row.zone,
                row.version,
                row.key,
                row.pins,
                loaded(row.started_at),
                loaded(row.seen_at),
            )
            for row in rows
        )
