"""Rows of when backups are taken, as nouns and back; and what one that ends means for them.

That is written in the transaction of its last event.
"""

from typing import Any

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.backups import Schedule, again_at
from bot.canonical_json import iso
from bot.model import State
from bot.run import Run
from storage.duty_rows import backup_failed, backup_taken, note_shown
from storage.tables import schedules
from storage.times import loaded


async def settle_backup(connection: AsyncConnection, backup: Run) -> None:
    """One that was not taken is tried again soon, and somebody hears of one that failed."""
    at = backup.end.at or backup.request.at
    await note_shown(connection, backup)
    if backup.state is State.SUCCEEDED:
        await backup_taken(connection, backup, at)
        return
    await backup_failed(connection, backup, at)
    if backup.work.undo_points:
        return  # it was taken, and the next one would fail its checks as well: each takes room
    mine = schedules.c.target == backup.request.target
    row = (await connection.execute(schedules.select().where(mine))).one_or_none()
    if row is None:
        return
    again = iso(again_at(float(row.every_seconds), at))
    sooner = update(schedules).where(mine, schedules.c.due_at > again).values(due_at=again)
    await connection.execute(sooner)


def schedule_row(target: str, every: float, due_at: str) -> dict[str, Any]:
    return {"target": target, "every_seconds": int(every), "due_at": due_at, "begun": 0}


def schedule_in(row: Row[Any]) -> Schedule:
    return Schedule(row.target, float(row.every_seconds), loaded(row.due_at), row.begun)
