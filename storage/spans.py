"""Which state of a target was seen live from when to when: what nobody but us keeps for most backends."""

from datetime import datetime, timedelta

from sqlalchemy import Row, insert, select, update
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

    async def saw(self, target: str, current: Current, at: datetime, run: str | None = None) -> None:
        """Notes what a look at `at` found live. `run`: our run that has just put it there."""
        newest = select(spans).where(spans.c.target == target).order_by(spans.c.id.desc()).limit(1)

        async def work(connection: AsyncConnection) -> None:
            last = (await connection.execute(newest)).one_or_none()
            if last is None or last.token != current.token:
                await connection.execute(insert(spans).values(**_row(target, current, at, run, last)))
            elif loaded(last.seen) + KEPT_APART <= at:
                await connection.execute(update(spans).where(spans.c.id == last.id).values(seen=iso(at)))

        if not await self._is_known(target, current, at):
            await self._database.write(work)

    async def _is_known(self, target: str, current: Current, at: datetime) -> bool:
        """Whether there is nothing to write: most looks see what the one before has seen."""
        lived = await self.lived(target)
        return bool(lived) and lived[-1].token == current.token and lived[-1].seen + KEPT_APART > at

    async def lived(self, target: str) -> tuple[Lived, ...]:
        """Oldest first."""
        query = select(spans).where(spans.c.target == target).order_by(spans.c.id.desc()).limit(READ_AT_MOST)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(_lived(row) for row in reversed(rows))


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
