"""What was done to targets without the bot, as hooks tell it and looks have seen it.

Many that are told at once are one row with how often: a source that goes wild fills no disk.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.outside import OutsideChange
from storage.change_rows import change_row
from storage.duty_rows import due_by_change
from storage.runs import Store
from storage.tables import changes
from storage.transaction import Repeated, Transaction

TOGETHER = timedelta(seconds=60)  # what is told again within it is counted, not kept
ROWS_A_MINUTE, ROWS_A_DAY = 60, 2_000  # of a target, and as many that are significant: the rest is one row
MANY = "others"  # the kind of that row
Room = dict[tuple[str, bool], int]  # by target, and whether what is told is significant


@dataclass(frozen=True, slots=True)
class ToldChange:
    """A change as it was told, with what its source calls the delivery."""

    change: OutsideChange
    delivery: str | None = None  # None: it has no name, and counts whenever it comes
    asks_for_drill: bool = False


class ChangeStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def hear(self, told: Sequence[ToldChange], now: datetime) -> int:
        """Keeps them, and returns how many were new. What a significant one asks for is due from then on."""

        async def work(change: Transaction) -> int:
            new = [one for one in told if await _is_new(change, one, now)]
            counted = Counter(_unmarked(one.change) for one in new)
            room = await _room(change.connection, {one.change.target for one in new}, now)
            for each, times in counted.items():
                await _keep(change.connection, replace(each, times=times), now, room)
            for one in {each.change.target: each.change for each in new if each.asks_for_drill}.values():
                if await due_by_change(change.connection, one, now):
                    about = {"target": one.target, "kind": one.kind, "label": one.label}
                    change.note("drill_due_by_change", now, one.source, about)
            return len(new)

        return await self._store.change(work)

    async def forget_before(self, moment: datetime) -> None:
        old = delete(changes).where(changes.c.heard_at < iso(moment))
        await self._store.database.write(lambda connection: connection.execute(old))


async def _is_new(change: Transaction, one: ToldChange, now: datetime) -> bool:
    """Whether its delivery was not heard before."""
    try:
        await change.once(one.delivery, now)
    except Repeated:
        return False
    return True


def _unmarked(one: OutsideChange) -> OutsideChange:
    """The same moment for all that is told within one minute, so that they are counted together."""
    return replace(one, at=one.at.replace(microsecond=0))


async def _room(connection: AsyncConnection, targets: set[str], now: datetime) -> Room:
    """Returns how many rows each target may still have: in this minute, and on this day."""
    left = {(target, marked): ROWS_A_MINUTE for target in targets for marked in (True, False)}
    for since, most in ((TOGETHER, ROWS_A_MINUTE), (timedelta(days=1), ROWS_A_DAY)):
        lately = changes.c.target.in_(targets) & (changes.c.heard_at > iso(now - since))
        query = select(changes.c.target, changes.c.significant, func.count()).where(lately)
        for row in await connection.execute(query.group_by(changes.c.target, changes.c.significant)):
            place = (row[0], bool(row[1]))
            left[place] = min(left[place], most - row[2])
    return left


async def _keep(connection: AsyncConnection, one: OutsideChange, now: datetime, room: Room) -> None:
    if await _count_up(connection, one, now):
        return
    if room[one.target, one.significant] <= 0:
        one = OutsideChange(one.target, one.at, MANY, source=one.source, times=one.times)
        if await _count_up(connection, one, now):
            return
    room[one.target, one.significant] -= 1
    await connection.execute(insert(changes).values(**change_row(one), heard_at=iso(now)))


async def _count_up(connection: AsyncConnection, one: OutsideChange, now: datetime) -> bool:
    """Whether the same was told within the last minute."""
    row = change_row(one)
    told = ("target", "source", "kind", "label", "author", "significant")
    lately = changes.c.heard_at > iso(now - TOGETHER)
    alike = select(changes).where(lately, *(changes.c[name] == row[name] for name in told))
    for known in (await connection.execute(alike.order_by(changes.c.id.desc()))).all():
        if (known.paths, known.size) == (row["paths"], row["size"]):
            again = {"times": changes.c.times + one.times, "at": max(known.at, row["at"])}
            mine = update(changes).where(changes.c.id == known.id)
            await connection.execute(mine.values(**again))
            return True
    return False
