"""Which approvers were asked to practise, and whether they answered. An answer is evidence, no more."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from bot.canonical_json import iso
from bot.practice import DECISIONS, Practice
from storage import cards
from storage.duty_rows import KEY_BYTES, redraw
from storage.runs import Store
from storage.tables import evidence, practices
from storage.times import loaded, loaded_if
from storage.transaction import Transaction
from storage.writing import insert_if_new

_DECIDED = (
    select(evidence.c.by, func.max(evidence.c.at))
    .where(evidence.c.kind.in_(sorted(kind.value for kind in DECISIONS)), evidence.c.by != "")
    .group_by(evidence.c.by)
)


class PracticeStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> dict[str, Practice]:
        """Returns the practices by account."""
        async with self._store.database.read() as connection:
            rows = await connection.execute(select(practices))
            return {row.person: _practice(row) for row in rows}

    async def of_card(self, card: str) -> Practice | None:
        """Returns what this message is about; None: a newer one was sent since."""
        async with self._store.database.read() as connection:
            row = (await connection.execute(select(practices).where(practices.c.card == card))).one_or_none()
        return _practice(row) if row else None

    async def decided(self) -> Mapping[str, datetime]:
        """When each account decided something last, of those that ever did."""
        async with self._store.database.read() as connection:
            return {str(by): loaded(at) for by, at in await connection.execute(_DECIDED)}

    async def ask(self, person: str, known: Practice | None, now: datetime) -> bool:
        """Owes them a message. False: somebody else was quicker."""

        async def work(change: Transaction) -> bool:
            key = secrets.token_hex(KEY_BYTES)
            fresh: dict[str, Any] = {"asked_at": iso(now), "card": key, "answered_at": None, "answer": ""}
            if known is None:
                row = {"person": person, **fresh, "silent": 0}
                if not await insert_if_new(change.connection, practices, row):
                    return False
            else:
                mine = (practices.c.person == person) & (practices.c.card == known.card)
                again = update(practices).where(mine).values(**fresh, silent=known.times_silent(now))
                if (await change.connection.execute(again)).rowcount != 1:
                    return False
                await redraw(change.connection, known.card)
            kind = cards.CardKind.PRACTICE
            await cards.want(change.connection, "", kind, person, now, moment=key, key=key)
            change.note("practice_asked", now, "", {"person": person})
            return True

        return await self._store.change(work)

    async def answer(self, practice: Practice, answer: str, delivery: str | None, now: datetime) -> None:
        """Keeps the first answer. Raises Repeated."""

        async def work(change: Transaction) -> None:
            await change.once(delivery, now)
            mine = (practices.c.card == practice.card) & practices.c.answered_at.is_(None)
            said = update(practices).where(mine).values(answered_at=iso(now), answer=answer)
            if (await change.connection.execute(said)).rowcount == 1:
                change.note("practised", now, practice.person, {"answer": answer})
                await redraw(change.connection, practice.card)

        await self._store.change(work)


def _practice(row: Row[Any]) -> Practice:
    asked_at, answered_at = loaded(row.asked_at), loaded_if(row.answered_at)
    return Practice(row.person, asked_at, row.card, answered_at, row.answer, row.silent)
