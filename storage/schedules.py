"""When backups are taken: whoever begins one counts its row up, so that nobody else does."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select, update

from bot.backups import Schedule, next_after
from bot.canonical_json import iso
from bot.envelope import Event
from bot.run import Run
from storage.duty_rows import forget_failed_backup, redraw_backups
from storage.runs import Store
from storage.schedule_rows import schedule_in, schedule_row
from storage.tables import schedules
from storage.transaction import Transaction
from storage.writing import insert_if_new

EVERY_SCHEDULE = select(schedules).order_by(schedules.c.due_at, schedules.c.target)


class ScheduleStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, wanted: Mapping[str, float], now: datetime) -> None:
        """Makes the rows those of the configuration. `wanted`: seconds from one backup to the next.

        The first backup of a target is due at once; where they are taken more often now, as if they had been.
        """
        there = {schedule.target: schedule for schedule in await self.all()}
        gone = there.keys() - wanted.keys()
        changed = {t: every for t, every in wanted.items() if t in there and there[t].every != int(every)}
        new = wanted.keys() - there.keys()
        if not (gone or changed or new):
            return

        async def work(change: Transaction) -> None:
            for target in gone:
                await change.connection.execute(delete(schedules).where(schedules.c.target == target))
                await forget_failed_backup(change.connection, target)
            for target, every in changed.items():
                before = there[target].due_at.timestamp() - there[target].every
                due_at = datetime.fromtimestamp(max(before + every, now.timestamp()), now.tzinfo)
                values = {"every_seconds": int(every), "due_at": iso(due_at)}
                mine = update(schedules).where(schedules.c.target == target)
                await change.connection.execute(mine.values(**values))
            for target in new:
                row = schedule_row(target, wanted[target], iso(now))
                await insert_if_new(change.connection, schedules, row)

        await self._store.change(work)

    async def all(self) -> tuple[Schedule, ...]:
        """Returns the schedules, what is due first in front."""
        async with self._store.database.read() as connection:
            return tuple(schedule_in(row) for row in await connection.execute(EVERY_SCHEDULE))

    async def begin(self, schedule: Schedule, event: Event, now: datetime) -> Run | None:
        """Opens the backup that is due. None: somebody was quicker."""

        async def work(change: Transaction) -> Run | None:
            mine = (schedules.c.target == schedule.target) & (schedules.c.begun == schedule.begun)
            again = {"due_at": iso(next_after(schedule, now)), "begun": schedules.c.begun + 1}
            counted = update(schedules).where(mine).values(**again)
            if (await change.connection.execute(counted)).rowcount != 1:
                return None
            return await change.open_backup(event)

        return await self._store.change(work)

    async def take_now(self, target: str, by: str, delivery: str | None, now: datetime) -> bool:
        """Makes the next one due now. False: none is taken of this target. Raises Repeated."""

        async def work(change: Transaction) -> bool:
            await change.once(delivery, now)
            mine = update(schedules).where(schedules.c.target == target).values(due_at=iso(now))
            if (await change.connection.execute(mine)).rowcount != 1:
                return False
            change.note("backup_wanted", now, by, {"target": target})
            await redraw_backups(change.connection, target)
            return True

        return await self._store.change(work)
