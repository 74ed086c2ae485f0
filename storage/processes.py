"""Which processes are there: a row that each of them renews, and that is forgotten when nobody does.

A worker also holds the lease of its spool. That outlives the row: what was begun in a spool is left to its
worker for a while, also when that worker has said that it ends.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.processes import LEFT_TO_ITS_WORKER_FOR, SEEN_WITHIN, LiveProcess
from storage.database import Database
from storage.tables import leases, processes
from storage.times import loaded
from storage.writing import insert_if_new

FORGOTTEN_AFTER = timedelta(hours=1)
SPOOL = "spool:"  # before its name, that of its lease

_SPOOL_OF_PROCESS = (leases.c.holder == processes.c.id) & leases.c.name.startswith(SPOOL)


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
        before = iso(process.seen_at - FORGOTTEN_AFTER)
        silent = delete(processes).where(processes.c.seen_at < before)
        left = delete(leases).where(leases.c.name.startswith(SPOOL), leases.c.until < before)

        async def work(connection: AsyncConnection) -> None:
            if (await connection.execute(renewed)).rowcount == 0:
                await connection.execute(first)
                await connection.execute(silent)
                await connection.execute(left)
            if process.place:
                await _hold_spool(connection, process)

        await self._database.write(work)

    async def gone(self, process: LiveProcess) -> None:
        """Says that it has ended, so that nobody waits for it but for what is in its spool."""
        ended = delete(processes).where(processes.c.id == process.id)
        await self._database.write(lambda connection: connection.execute(ended))

    async def seen(self, now: datetime) -> tuple[LiveProcess, ...]:
        """Returns those that said so lately, by name."""
        query = (
            select(processes, leases.c.name.label("lease"))
            .outerjoin(leases, _SPOOL_OF_PROCESS)
            .where(processes.c.seen_at >= iso(now - SEEN_WITHIN))
            .order_by(processes.c.name)
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
                (row.lease or "").removeprefix(SPOOL),
            )
            for row in rows
        )

    async def is_left_to_its_worker(self, place: str, zone: str, now: datetime) -> bool:
        """Whether a worker of the zone has this spool, or had it a moment ago and may come back to it."""
        of_zone = or_(processes.c.zone.is_(None), processes.c.zone == zone)  # null: its worker has ended
        held = (leases.c.name == f"{SPOOL}{place}", leases.c.until >= iso(now), of_zone)
        query = select(func.count()).select_from(leases.outerjoin(processes, _SPOOL_OF_PROCESS)).where(*held)
        async with self._database.read() as connection:
            return bool(await connection.scalar(query))


async def _hold_spool(connection: AsyncConnection, process: LiveProcess) -> None:
    """Nobody competes for it: whoever has the folder holds it, at once after a restart."""
    lease = leases.c.name == f"{SPOOL}{process.place}"
    until = {"until": iso(process.seen_at + LEFT_TO_ITS_WORKER_FOR)}
    renewed = update(leases).where(lease, leases.c.holder == process.id).values(until)
    if (await connection.execute(renewed)).rowcount:
        return
    first = {"name": f"{SPOOL}{process.place}", "holder": process.id, "epoch": 1, **until}
    if not await insert_if_new(connection, leases, first):
        passed_on = {"holder": process.id, "epoch": leases.c.epoch + 1, **until}
        await connection.execute(update(leases).where(lease).values(passed_on))
