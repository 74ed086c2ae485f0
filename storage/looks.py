"""Questions about targets that only a worker may answer, and the modals that wait for the answers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from storage.database import Database
from storage.tables import looks, modals
from storage.times import loaded, loaded_if
from storage.transaction import Dispatch
from storage.writing import tell_listeners

_UNANSWERED = (  # built once: it is asked at every sweep
    select(looks)
    .where(looks.c.answered_at.is_(None))
    .where(looks.c.target.not_in(bindparam("elsewhere", expanding=True)))
    .order_by(looks.c.id)
    .limit(50)
)


@dataclass(frozen=True, slots=True)
class Look:
    """`goal` None: the points only. `answer` None: not answered yet."""

    id: int
    target: str
    goal: Mapping[str, Any] | None
    wanted_at: datetime
    answered_at: datetime | None
    answer: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Modal:
    """An open start modal and what the person chose so far."""

    view_id: str
    person: str
    target: str
    look_id: int
    context: Mapping[str, Any]
    opened_at: datetime
    filled: str  # reading, late, filled
    send_to: str | None


class LookStore:
    def __init__(self, database: Database, dispatch: Dispatch | None = None) -> None:
        """`dispatch` None: the workers are in this process."""
        self._database = database
        self._dispatch = dispatch

    async def want(self, target: str, goal: Mapping[str, Any] | None, now: datetime) -> int:
        statement = (
            insert(looks)
            .values(target=target, goal=None if goal is None else dict(goal), wanted_at=iso(now))
            .returning(looks.c.id)
        )

        async def work(connection: AsyncConnection) -> int:
            look_id = int((await connection.execute(statement)).scalar_one())
            if self._dispatch is not None:
                await self._dispatch.look(connection, look_id, target)
            return look_id

        return await self._database.write(work)

    async def get(self, look_id: int) -> Look | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(looks).where(looks.c.id == look_id))).one_or_none()
            return None if row is None else _look(row)

    async def unanswered(self, elsewhere: Collection[str] = ()) -> tuple[Look, ...]:
        """`elsewhere`: targets that others' workers reach."""
        async with self._database.read() as connection:
            found = await connection.execute(_UNANSWERED, {"elsewhere": list(elsewhere)})
            return tuple(_look(row) for row in found)

    async def answer(self, look_id: int, answer: Mapping[str, Any], now: datetime) -> None:
        """The first answer counts."""
        statement = (
            update(looks)
            .where(looks.c.id == look_id, looks.c.answered_at.is_(None))
            .values(answer=dict(answer), answered_at=iso(now))
        )

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(statement)
            await tell_listeners(connection, [f"look {look_id}"])

        await self._database.write(work)

    async def forget_before(self, moment: datetime) -> None:
        """Looks and modals are not history."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(modals).where(modals.c.opened_at < iso(moment)))
            await connection.execute(delete(looks).where(looks.c.wanted_at < iso(moment)))

        await self._database.write(work)

    # Modals

    async def open_modal(self, modal: Modal) -> None:
        values = {
            "person": modal.person,
            "target": modal.target,
            "look_id": modal.look_id,
            "context": dict(modal.context),
            "opened_at": iso(modal.opened_at),
            "filled": modal.filled,
            "send_to": modal.send_to,
        }

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(modals).where(modals.c.view_id == modal.view_id))
            await connection.execute(insert(modals).values(view_id=modal.view_id, **values))

        await self._database.write(work)

    async def modal(self, view_id: str) -> Modal | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(modals).where(modals.c.view_id == view_id))).one_or_none()
            return None if row is None else _modal(row)

    async def waiting_modals(self) -> tuple[Modal, ...]:
        query = select(modals).where(modals.c.filled != "filled").order_by(modals.c.opened_at)
        async with self._database.read() as connection:
            return tuple(_modal(row) for row in await connection.execute(query))

    async def filled(self, view_id: str, look_id: int, how: str) -> None:
        """Only while it still waits for this look: a newer choice wins."""
        statement = (
            update(modals).where(modals.c.view_id == view_id, modals.c.look_id == look_id).values(filled=how)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def send_to(self, view_id: str, person: str) -> None:
        statement = update(modals).where(modals.c.view_id == view_id).values(send_to=person)
        await self._database.write(lambda connection: connection.execute(statement))

    async def close_modal(self, view_id: str) -> None:
        """Closed by its person: the answer is thrown away, unless it should be sent."""
        statement = delete(modals).where(modals.c.view_id == view_id, modals.c.send_to.is_(None))
        await self._database.write(lambda connection: connection.execute(statement))


def _look(row: Row[Any]) -> Look:
    return Look(row.id, row.target, row.goal, loaded(row.wanted_at), loaded_if(row.answered_at), row.answer)


def _modal(row: Row[Any]) -> Modal:
    return Modal(
        row.view_id,
        row.person,
        row.target,
        row.look_id,
        row.context,
        loaded(row.opened_at),
        row.filled,
        row.send_to,
    )
