"""What is due between incidents: whoever tells a row counts it up, so that nobody else tells it.

What people say about one is evidence. How a drill that ends settles its row is in `duty_rows`.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso, iso_if
from bot.duties import BackupsSeen, Duty, DutyKind, Telling, first_awaited_until, old_since
from bot.model import THE_SCHEDULE, State, Verdict
from storage import cards
from storage.aftermath import drills_of
from storage.duty_rows import KEY_BYTES, duty_in, duty_row, redraw
from storage.runs import Store
from storage.tables import duties
from storage.transaction import Transaction
from storage.writing import insert_if_new

LATE = "+"  # in the moment of a reminder, before its seconds
TOLD_AT_ONCE_DUTIES = 1_000  # the rest is told at the next tick
_DUE = (
    select(duties)
    .where(duties.c.next_at <= bindparam("until"), duties.c.done_at.is_(None))
    .order_by(duties.c.next_at, duties.c.key)
    .limit(TOLD_AT_ONCE_DUTIES)
)
_TOLD = (
    update(duties)
    .where(duties.c.key == bindparam("of_key"), duties.c.told == bindparam("of_told"))
    .values(
        told=duties.c.told + 1,
        next_at=bindparam("again_at"),
        card=bindparam("told_in"),
        passed_over=bindparam("skipped"),
        put_off_by=null(),
    )
)


def late_of(moment: str) -> timedelta:
    """Returns how much later than it should have come a reminder came: its card's moment says so."""
    return timedelta(seconds=int(moment.partition(LATE)[2]))


class Moved(Exception):
    """Somebody changed the row first: look again."""


@dataclass(frozen=True, slots=True)
class PutOff:
    by: str  # account
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    by: str  # account
    to: str  # account
    told_at: datetime  # when they are told first


class DutyStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    # What there is

    async def keep(
        self, wanted: Mapping[str, float | None], configured: Iterable[str], now: datetime, at_once: datetime
    ) -> None:
        """Makes the rows those of the configuration. `wanted`: seconds from one drill to the next, by target.

        A target that was never drilled is due now, and told with what was due `at_once`; one that is drilled
        after changes only (None) is due with the first of them. What is not wanted any more goes, its
        follow-ups stay. `configured`: every target: of others no restore point is old.
        """
        there, configured = await self.all(), frozenset(configured)
        of_drills = select(duties).where(duties.c.kind == DutyKind.DRILL.value)
        known = {duty.target: duty for duty in await self._duties(of_drills)}
        no_more = [d.key for d in there if d.kind is DutyKind.OLD_POINT and d.target not in configured]
        new = {target: every for target, every in wanted.items() if target not in known and every is not None}
        others = {t: every for t, every in wanted.items() if t in known and known[t].every != _whole(every)}
        gone = [target for target in known if target not in wanted]
        if not (new or others or gone or no_more):
            return

        async def work(change: Transaction) -> None:
            connection = change.connection
            for target, every in new.items():
                passed_at = await _passed_at(connection, target)
                due_at = passed_at + timedelta(seconds=every) if passed_at else now
                row = duty_row(DutyKind.DRILL, target, due_at, every=every, passed_at=passed_at)
                row |= {} if passed_at else {"next_at": iso(at_once)}
                await insert_if_new(connection, duties, row)
            for target, seconds in others.items():
                mine = update(duties).where(_of(target)).values(every_seconds=_whole(seconds))
                if seconds is None and not known[target].because:
                    mine = mine.values(
                        done_at=iso(now), done_by=""
                    )  # it was due by time, which nobody asks for
                if seconds is not None:
                    passed_at = known[target].passed_at
                    due_at = passed_at + timedelta(seconds=seconds) if passed_at else known[target].due_at
                    mine = mine.values(due_at=iso(due_at), next_at=iso(due_at), done_at=None)
                await connection.execute(mine)
            if no_more:
                await connection.execute(delete(duties).where(duties.c.key.in_(no_more)))
            if gone:
                await connection.execute(
                    delete(duties).where(duties.c.kind == DutyKind.DRILL.value, duties.c.target.in_(gone))
                )

        await self._store.change(work)

    async def saw(self, target: str, backups: BackupsSeen, rpo: float | None, now: datetime) -> None:
        """Notes whether the newest backup of a target is too old, or missing.

        Where nobody knows of when it is, what was told stays as it is. `rpo`: seconds after which one is too
        old; None: none ever is, and none is missing.
        """
        newest = backups.newest_at
        mine = (duties.c.kind == DutyKind.OLD_POINT.value) & (duties.c.target == target)
        still_open = await self._duties(select(duties).where(mine, duties.c.done_at.is_(None)))
        since = old_since(newest, rpo, now)
        if still_open:
            says_nothing = newest is None and not backups.none_good and rpo is not None
        else:
            is_missing = backups.none_good and backups.are_its_way and rpo is not None
            says_nothing = since is None and not is_missing
        if says_nothing:
            return
        seen: dict[str, Any] = {"newest_at": iso_if(newest if rpo is not None else None)}
        if since is not None:
            seen["due_at"] = iso(since)
        elif newest is not None or rpo is None:
            seen |= {"done_at": iso(now), "done_by": ""}
        if still_open and _says(still_open[0], seen):
            return

        async def work(connection: AsyncConnection) -> None:
            if not still_open:
                await connection.execute(delete(duties).where(mine))
                awaited = now if since or rpo is None else first_awaited_until(rpo, now)
                row = duty_row(DutyKind.OLD_POINT, target, since or awaited) | seen
                row |= {"next_at": iso(awaited)}
                await insert_if_new(connection, duties, row)
                return
            await connection.execute(update(duties).where(mine).values(told=duties.c.told + 1, **seen))
            await redraw(connection, still_open[0].card)

        await self._store.database.write(work)

    async def all(self) -> tuple[Duty, ...]:
        """Returns the open ones, what is due first in front."""
        still_open = select(duties).where(duties.c.done_at.is_(None))
        return await self._duties(still_open.order_by(duties.c.due_at, duties.c.target))

    async def get(self, key: str) -> Duty | None:
        found = await self._duties(select(duties).where(duties.c.key == key))
        return found[0] if found else None

    async def of_card(self, card: str) -> tuple[Duty, ...]:
        """Returns what was told in one message, as far as it was not told anew in another."""
        query = select(duties).where(duties.c.card == card)
        return await self._duties(query.order_by(duties.c.due_at, duties.c.target))

    # Telling

    async def due(self, until: datetime) -> tuple[Duty, ...]:
        """Returns what is to be told now: at most TOLD_AT_ONCE_DUTIES, the longest due first."""
        async with self._store.database.read() as connection:
            return tuple(duty_in(row) for row in await connection.execute(_DUE, {"until": iso(until)}))

    async def tell(self, telling: Telling, again_at: datetime, late: timedelta, now: datetime) -> str | None:
        """Owes the message, and returns its key. None: others have told all of it already."""

        async def work(change: Transaction) -> str | None:
            key = secrets.token_hex(KEY_BYTES)
            told = [
                duty for duty in telling.duties if await _count_up(change.connection, duty, key, again_at)
            ]
            if not told:
                return None
            for earlier in {duty.card for duty in told}:
                await redraw(change.connection, earlier)
            kind = cards.CardKind.REMINDER
            moment = f"{key}{LATE}{late.total_seconds():.0f}"
            await cards.want(change.connection, "", kind, telling.recipient, now, moment=moment, key=key)
            body = {
                "to": telling.recipient,
                "of": [[duty.kind.value, duty.target, duty.run] for duty in told],
            }
            change.note("reminded", now, "", body)
            return key

        return await self._store.change(work)

    async def cannot_reach(self, card: str, at_once: datetime) -> None:
        """Nothing can be said there: the next one is told what was to be told in this message.

        `at_once`: what is due then is told at the next tick.
        """

        async def work(change: Transaction) -> None:
            mine = update(duties).where(duties.c.card == card)
            again = {"passed_over": duties.c.passed_over + 1, "next_at": iso(at_once), "card": None}
            await change.connection.execute(mine.values(**again))

        await self._store.change(work)

    async def told_to_nobody(self, duty: Duty, again_at: datetime, now: datetime) -> None:
        """Nobody is left who could be told: it is tried again later, from the first one on."""

        async def work(change: Transaction) -> None:
            if await _count_up(change.connection, duty, None, again_at):
                change.note("reminded_nobody", now, "", {"of": [duty.kind.value, duty.target, duty.run]})

        await self._store.change(work)

    async def begin(self, change: Transaction, duty: Duty, run_id: str) -> bool:
        """Whether nobody has moved it since it was read: who is first starts its drill by itself.

        That happens once until it is told again, whatever becomes of the run.
        """
        begun = {"put_off_by": THE_SCHEDULE.id, "put_off_why": run_id}
        counted = update(duties).where(_unmoved(duty)).values(told=duties.c.told + 1, **begun)
        if (await change.connection.execute(counted)).rowcount != 1:
            return False
        await redraw(change.connection, duty.card)
        return True

    # What people say

    async def put_off(self, duty: Duty, said: PutOff, delivery: str | None, now: datetime) -> None:
        """`delivery`: the key of what Slack sent; None: it came another way. Raises Moved, Repeated."""
        values = {"next_at": iso(said.until), "put_off_by": said.by, "put_off_why": said.why}
        body = {"until": iso(said.until), "why": said.why}
        await self._said(duty, values, "put_off", said.by, body, delivery, now)

    async def hand_over(self, duty: Duty, said: HandedOver, delivery: str | None, now: datetime) -> None:
        """Raises Moved, Repeated."""
        values = {"handed_to": said.to, "next_at": iso(said.told_at), "passed_over": 0}
        await self._said(duty, values, "handed_over", said.by, {"to": said.to}, delivery, now)

    async def redraw(self, duty: Duty) -> None:
        """Something has become of it that its message can show."""
        await self._store.database.write(lambda connection: redraw(connection, duty.card))

    async def _said(
        self,
        duty: Duty,
        values: Mapping[str, Any],
        kind: str,
        by: str,
        body: Mapping[str, Any],
        delivery: str | None,
        now: datetime,
    ) -> None:
        async def work(change: Transaction) -> None:
            await change.once(delivery, now)
            counted = update(duties).where(_unmoved(duty)).values(told=duties.c.told + 1, **values)
            if (await change.connection.execute(counted)).rowcount != 1:
                raise Moved
            await redraw(change.connection, duty.card)
            about = {"duty": duty.kind.value, "target": duty.target, **body}
            change.note(kind, now, by, about, duty.run or None)

        await self._store.change(work)

    async def _duties(self, query: Any) -> tuple[Duty, ...]:
        async with self._store.database.read() as connection:
            return tuple(duty_in(row) for row in await connection.execute(query))


async def _passed_at(connection: AsyncConnection, target: str) -> datetime | None:
    """Returns when the newest drill that passed has ended."""
    for run in await drills_of(connection, target):
        if run.state is State.SUCCEEDED and run.work.verdict is Verdict.PASSED:
            return run.end.at
    return None


async def _count_up(connection: AsyncConnection, duty: Duty, told_in: str | None, again_at: datetime) -> bool:
    """Whether nobody else has told it since it was read."""
    known = {"of_key": duty.key, "of_told": duty.told, "again_at": iso(again_at), "told_in": told_in}
    known["skipped"] = duty.skipped if told_in else 0
    return (await connection.execute(_TOLD, known)).rowcount == 1


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _says(duty: Duty, seen: Mapping[str, str | None]) -> bool:
    """Whether it says already what a look has seen."""
    said = {"newest_at": iso_if(duty.newest_at), "due_at": iso(duty.due_at)}
    return seen.items() <= said.items()


def _of(target: str) -> ColumnElement[bool]:
    return (duties.c.kind == DutyKind.DRILL.value) & (duties.c.target == target)


def _unmoved(duty: Duty) -> ColumnElement[bool]:
    return (duties.c.key == duty.key) & (duties.c.told == duty.told)
