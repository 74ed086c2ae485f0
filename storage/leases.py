"""What only one process may do at a time: whoever holds its lease. A dead one's lease passes on."""

from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from storage.database import Database
from storage.tables import leases
from storage.writing import insert_if_new


class Leases:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, holder: str, now: datetime, lease: timedelta) -> int | None:
        """The epoch of the new holder; None: somebody holds it, be it the same one."""
        until = iso(now + lease)
        free = or_(leases.c.until.is_(None), leases.c.until < iso(now))
        passed_on = (
            update(leases)
            .where(leases.c.name == name, free)
            .values(holder=holder, epoch=leases.c.epoch + 1, until=until)
            .returning(leases.c.epoch)
        )

        async def work(connection: AsyncConnection) -> int | None:
            first = {"name": name, "holder": holder, "epoch": 1, "until": until}
            if await insert_if_new(connection, leases, first):
                return 1
            return (await connection.execute(passed_on)).scalar()

        return await self._database.write(work)

    async def renew(self, name: str, epoch: int, until: datetime) -> bool:
        """False: it was lost or given back, so stop at once."""
        return await self._held(name, epoch, iso(until))

    async def give_back(self, name: str, epoch: int) -> None:
        """Nothing when somebody else has it by now."""
        await self._held(name, epoch, None)

    async def _held(self, name: str, epoch: int, until: str | None) -> bool:
        mine = (leases.c.name == name, leases.c.epoch == epoch, leases.c.until.is_not(None))
        return await self._database.changes_one(update(leases).where(*mine).values(until=until))
