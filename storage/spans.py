"""Which state of a target was seen live from when to when: what nobody but us keeps for most backends."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.model import Current
from bot.spans import Lived
from storage.database import Database
from storage.tables import spans
from storage.times import loaded, loaded_if

KEPT_APART = timedelta(seconds=60)  # a state that is seen again is written down no more often
READ_AT_MOST = 500  # changes of a target


class SpanStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def saw(self, live: Mapping[str, Current], at: datetime, run: str | None = None) -> None:
        """Notes what a look at `at` found live, by target. `run`: our run that has just put it there."""

        async def work(connection: AsyncConnection) -> None:
            last = await _newest(connection, live)
            new = [_row(target, live[target], at, run, last.get(target)) for target in _moved(live, last)]
            if new:
                await connection.execute(insert(spans), new)
            if again := [row.id for row in last.values() if _is_worth_noting(row, live, at)]:
                await connection.execute(update(spans).where(spans.c.id.in_(again)).values(seen=iso(at)))

        async with self._database.read() as connection:
            last = await _newest(connection, live)
        if _moved(live, last) or any(_is_worth_noting(row, live, at) for row in last.values()):
            await self._database.write(work)  # most looks see what the one before has seen

    async def lived(self, target: str) -> tuple[Lived, ...]:
        """Oldest first."""
        query = select(spans).where(spans.c.target == target).order_by(spans.c.id.desc()).limit(READ_AT_MOST)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(_lived(row) for row in reversed(rows))


async def _newest(connection: AsyncConnection, targets: Collection[str]) -> dict[str, Row[Any]]:
    """Returns the newest span of each target, as far as there is one."""
    newest = select(func.max(spans.c.id)).where(spans.c.target.in_(targets)).group_by(spans.c.target)
    return {row.target: row for row in await connection.execute(select(spans).where(spans.c.id.in_(newest)))}


def _moved(live: Mapping[str, Current], last: Mapping[str, Row[Any]]) -> list[str]:
    return [target for target in live if target not in last or last[target].token != live[target].token]


def _is_worth_noting(row: Row[Any], live: Mapping[str, Current], at: datetime) -> bool:
    return bool(row.token == live[row.target].token) and loaded(row.seen) + KEPT_APART <= at


def _row(
    target: str, current: Current, at: datetime, run: str | None, last: Row[tuple[object, ...]] | None
) -> dict[str, object]:
    """The backend's own word for since when counts, unless it contradicts what was seen."""
    after = loaded(last.seen) if last is not None else None
    told = current.since if current.since is not None and current.since <= at else None
    since = told if told is not None and (after is None or told >= after) else at
    return {
        "target": target,
        "point": current.id,
        "token": current.token,
        "label": current.label,
        "author": current.author,
        "run_id": run,
        "after": iso(after) if after else None,
        "since": iso(since),
        "seen": iso(at),
    }


def _lived(row: Row[tuple[object, ...]]) -> Lived:
    return Lived(
        row.point,
        row.token,
        loaded(row.since),
        loaded(row.seen),
        loaded_if(row.after),
        row.label,
        row.author,
        row.run_id,
    )
