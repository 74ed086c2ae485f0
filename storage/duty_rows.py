"""Rows of what is due, as nouns and back; and what a drill that ends means for them.

That is written in the transaction of its last event.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.changes import due_after, why_due
from bot.drilling import shown_by
from bot.duties import FOLLOWED_UP_WITHIN, Duty, DutyKind
from bot.model import State, Verdict
from bot.outside import OutsideChange
from bot.run import Run
from storage.tables import cards, duties, proofs
from storage.times import loaded, loaded_if
from storage.writing import insert_if_new

KEY_BYTES = 6
ABOUT_DRILLS = [DutyKind.DRILL.value, DutyKind.FOLLOW_UP.value]


async def settle(connection: AsyncConnection, drill: Run) -> None:
    """A drill that passed is due again after its time, and closes what earlier ones have left to do.

    One that did not come back leaves something to do. One that was broken off changes nothing.
    """
    at = drill.end.at or drill.request.at
    await note_shown(connection, drill)
    target, verdict = drill.request.drilled, drill.work.verdict
    others = duties.c.kind.in_(ABOUT_DRILLS)
    rows = (await connection.execute(select(duties).where(duties.c.target == target, others))).all()
    if drill.state is State.SUCCEEDED and verdict is Verdict.PASSED:
        for row in rows:
            await _passed(connection, row, drill, at)
    elif verdict is Verdict.FAILED:  # also of a rehearsal that people have put online all the same
        left = duty_row(DutyKind.FOLLOW_UP, target, at + FOLLOWED_UP_WITHIN, run=drill.id)
        await insert_if_new(connection, duties, left)
    for row in rows:
        await redraw(connection, row.card)


async def note_shown(connection: AsyncConnection, run: Run) -> None:
    """Notes which run has shown something of a restore point last."""
    for point in shown_by([run]):
        key = (proofs.c.target == run.request.drilled) & (proofs.c.point == point)
        await connection.execute(delete(proofs).where(key))
        what = {"target": run.request.drilled, "point": point, "run_id": run.id}
        await connection.execute(insert(proofs).values(**what))


async def backup_failed(connection: AsyncConnection, backup: Run, at: datetime) -> None:
    """Somebody hears of it: of several the newest, once, until one is taken."""
    mine = _failed_backup(backup.request.target)
    row = (await connection.execute(select(duties).where(mine, duties.c.done_at.is_(None)))).one_or_none()
    if row is not None:
        told = {"run_id": backup.id, "told": row.told + 1}
        await connection.execute(update(duties).where(duties.c.key == row.key).values(**told))
        await redraw(connection, row.card)
        return
    await connection.execute(delete(duties).where(mine))
    left = duty_row(DutyKind.FAILED_BACKUP, backup.request.target, at, run=backup.id)
    await connection.execute(insert(duties).values(**left))


async def backup_taken(connection: AsyncConnection, backup: Run, at: datetime) -> None:
    """Closes what one that failed before has left."""
    mine = _failed_backup(backup.request.target)
    row = (await connection.execute(select(duties).where(mine, duties.c.done_at.is_(None)))).one_or_none()
    if row is not None:
        done = {"done_at": iso(at), "done_by": backup.id, "told": row.told + 1}
        await connection.execute(update(duties).where(duties.c.key == row.key).values(**done))
        await redraw(connection, row.card)


async def forget_failed_backup(connection: AsyncConnection, target: str) -> None:
    """No backup of the target is taken any more, so none has failed."""
    await connection.execute(delete(duties).where(_failed_backup(target)))


async def redraw_backups(connection: AsyncConnection, target: str) -> None:
    """The messages that tell of an old or a failed backup show that somebody wants one now."""
    kinds = [DutyKind.FAILED_BACKUP.value, DutyKind.OLD_POINT.value]
    mine = select(duties.c.card).where(duties.c.target == target, duties.c.kind.in_(kinds))
    for row in (await connection.execute(mine)).all():
        await redraw(connection, row.card)


async def forget_shown(connection: AsyncConnection, backup: Run) -> None:
    """Forgets what was shown of a backup along with the backup."""
    await connection.execute(delete(proofs).where(proofs.c.run_id == backup.id))


def _failed_backup(target: str) -> ColumnElement[bool]:
    return (duties.c.kind == DutyKind.FAILED_BACKUP.value) & (duties.c.target == target)


async def _passed(connection: AsyncConnection, row: Row[Any], drill: Run, at: datetime) -> None:
    if row.changed_at is not None and loaded(row.changed_at) > drill.request.at and row.because:
        return  # what was changed after it was asked for is still to be drilled
    mine = update(duties).where(duties.c.key == row.key)
    if row.every_seconds is None:
        done = {"done_at": iso(at), "done_by": drill.id, "told": row.told + 1}
        await connection.execute(mine.where(duties.c.done_at.is_(None)).values(**done))
        return
    due_at = iso(at + timedelta(seconds=row.every_seconds))
    values = {
        "due_at": due_at,
        "next_at": due_at,
        "told": row.told + 1,
        "passed_at": iso(at),
        "put_off_by": None,
        "put_off_why": "",
        "handed_to": None,
        "passed_over": 0,
        "because": None,
    }
    await connection.execute(mine.values(**values))


async def follow_up(connection: AsyncConnection, drill: Run) -> None:
    """Opens what is to be done after a drill as people have written it down, or closes it."""
    lessons = drill.end.lessons
    if lessons is None or not (lessons.to_do or lessons.closed):
        return
    of_drill = (duties.c.kind == DutyKind.FOLLOW_UP.value) & (duties.c.run_id == drill.id)
    row = (await connection.execute(select(duties).where(of_drill))).one_or_none()
    mine = update(duties).where(of_drill).values(told=duties.c.told + 1)
    if lessons.closed:
        done = {"done_at": iso(drill.end.lessons_at or drill.request.at), "done_by": drill.end.lessons_by}
        await connection.execute(mine.where(duties.c.done_at.is_(None)).values(**done))
    elif lessons.due is not None:
        if row is None:
            left = duty_row(DutyKind.FOLLOW_UP, drill.request.drilled, lessons.due, run=drill.id)
            await connection.execute(insert(duties).values(**left, handed_to=lessons.owner))
        else:
            due_at = iso(lessons.due)
            told = {"due_at": due_at, "next_at": due_at, "handed_to": lessons.owner, "passed_over": 0}
            await connection.execute(mine.values(**told, done_at=None, done_by=None, put_off_by=None))
    if row is not None:
        await redraw(connection, row.card)


async def redraw(connection: AsyncConnection, card: str | None) -> None:
    """The message in which it was told shows what has become of it."""
    if card is not None:
        await connection.execute(update(cards).where(cards.c.key == card).values(drawn=None))


async def due_by_change(connection: AsyncConnection, change: OutsideChange, now: datetime) -> bool:
    """Whether a drill of the target becomes due by the change: at once, or when the last such is long ago."""
    mine = (duties.c.kind == DutyKind.DRILL.value) & (duties.c.target == change.target)
    row = (await connection.execute(select(duties).where(mine))).one_or_none()
    due = due_after(None if row is None else duty_in(row), change, now)
    if due is None:
        if row is not None and row.done_at is None and loaded(row.due_at) <= now and not row.because:
            why = update(duties).where(duties.c.key == row.key).values(because=why_due(change))
            await connection.execute(why)  # it is due by its time already, and now there is a second reason
            await redraw(connection, row.card)
        return False
    moved = {"due_at": iso(due), "next_at": iso(due), "because": why_due(change), "changed_at": iso(due)}
    if row is None:
        made = duty_row(DutyKind.DRILL, change.target, due) | moved
        await insert_if_new(connection, duties, made)
        return True
    again = {"done_at": None, "done_by": None, "put_off_by": None, "put_off_why": "", "told": row.told + 1}
    await connection.execute(update(duties).where(duties.c.key == row.key).values(**moved, **again))
    await redraw(connection, row.card)
    return True


def duty_row(
    kind: DutyKind,
    target: str,
    due_at: datetime,
    *,
    run: str = "",
    every: float | None = None,
    passed_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "key": secrets.token_hex(KEY_BYTES),
        "kind": kind.value,
        "target": target,
        "run_id": run,
        "due_at": iso(due_at),
        "next_at": iso(due_at),
        "told": 0,
        "every_seconds": None if every is None else int(every),
        "passed_at": iso(passed_at) if passed_at else None,
        "passed_over": 0,
        "put_off_why": "",
    }


def duty_in(row: Row[Any]) -> Duty:
    return Duty(
        row.key,
        DutyKind(row.kind),
        row.target,
        loaded(row.due_at),
        loaded(row.next_at),
        row.told,
        None if row.every_seconds is None else float(row.every_seconds),
        loaded_if(row.passed_at),
        row.run_id,
        row.passed_over,
        row.card,
        row.put_off_by,
        row.put_off_why,
        row.handed_to,
        loaded_if(row.done_at),
        row.done_by or "",
        loaded_if(row.newest_at),
        row.because or "",
        loaded_if(row.changed_at),
    )
