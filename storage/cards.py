"""Messages that Slack should show: which are owed, where they stand, what they show.

A row is wanted before it is posted; `tried_at` without `ts` is a post whose answer was lost.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canon import iso
from storage.database import Database
from storage.tables import cards
from storage.times import loaded_if

_OF_RUN = select(cards).where(cards.c.run_id == bindparam("run_id")).order_by(cards.c.made_at, cards.c.key)


class Kind(StrEnum):
    CARD = "card"  # the one message in the channel
    DIRECT = "direct"  # a copy for one awaited person
    NOTICE = "notice"  # a new message for one moment, in the card's thread
    LINE = "line"  # one line with the link, in the thread where it was asked
    AUDIT = "audit"  # a copy of every request in the audit channel


@dataclass(frozen=True, slots=True)
class Card:
    key: str  # opaque; what its buttons carry
    run_id: str
    kind: Kind
    recipient: str
    moment: str
    thread_ts: str | None
    channel: str | None
    ts: str | None
    drawn: str | None
    drawn_at: datetime | None
    tried_at: datetime | None
    gone: str | None


async def want(
    connection: AsyncConnection,
    run_id: str,
    kind: Kind,
    recipient: str,
    at: datetime,
    *,
    moment: str = "",
    thread_ts: str | None = None,
) -> None:
    """Owes one message; owing it again changes nothing."""
    known = select(cards.c.key).where(
        cards.c.run_id == run_id,
        cards.c.kind == kind.value,
        cards.c.recipient == recipient,
        cards.c.moment == moment,
    )
    if await connection.scalar(known) is not None:
        return
    row = {
        "key": secrets.token_hex(6),
        "run_id": run_id,
        "kind": kind.value,
        "recipient": recipient,
        "moment": moment,
        "thread_ts": thread_ts,
        "made_at": iso(at),
    }
    await connection.execute(insert(cards), row)


async def place(
    connection: AsyncConnection, key: str, channel: str, ts: str, drawn: str, at: datetime
) -> None:
    """Where a message stands now, and what it shows."""
    values = {"channel": channel, "ts": ts, "drawn": drawn, "drawn_at": iso(at)}
    await connection.execute(update(cards).where(cards.c.key == key).values(**values))


class CardStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def want(
        self,
        run_id: str,
        kind: Kind,
        recipient: str,
        at: datetime,
        *,
        moment: str = "",
        thread_ts: str | None = None,
    ) -> None:
        try:
            await self._database.write(
                lambda connection: want(
                    connection, run_id, kind, recipient, at, moment=moment, thread_ts=thread_ts
                )
            )
        except IntegrityError:
            return  # somebody else owed it a moment before

    async def of_run(self, run_id: str) -> tuple[Card, ...]:
        async with self._database.read() as connection:
            return tuple(_card(row) for row in await connection.execute(_OF_RUN, {"run_id": run_id}))

    async def by_key(self, key: str) -> Card | None:
        found = await self._cards(cards.c.key == key)
        return found[0] if found else None

    async def at(self, channel: str, ts: str) -> Card | None:
        """The card that stands at this place in Slack."""
        found = await self._cards(cards.c.channel == channel, cards.c.ts == ts)
        return found[0] if found else None

    async def unposted(self) -> Sequence[str]:
        """Runs that have a message which was never posted."""
        query = select(cards.c.run_id).where(cards.c.ts.is_(None), cards.c.gone.is_(None)).distinct()
        async with self._database.read() as connection:
            return [row.run_id for row in await connection.execute(query)]

    async def tried(self, key: str, at: datetime) -> None:
        await self._set(key, tried_at=iso(at))

    async def redrawn(self, key: str, drawn: str, at: datetime) -> None:
        await self._set(key, drawn=drawn, drawn_at=iso(at))

    async def lost(self, key: str) -> None:
        """The message is gone from Slack: it is owed once more."""
        await self._set(key, channel=None, ts=None, drawn=None, drawn_at=None, tried_at=None)

    async def impossible(self, key: str, why: str) -> None:
        await self._set(key, gone=why[:64])

    async def _set(self, key: str, **values: Any) -> None:
        statement = update(cards).where(cards.c.key == key).values(**values)
        await self._database.write(lambda connection: connection.execute(statement))

    async def _cards(self, *where: Any) -> tuple[Card, ...]:
        query = select(cards).where(*where).order_by(cards.c.made_at, cards.c.key)
        async with self._database.read() as connection:
            return tuple(_card(row) for row in await connection.execute(query))


def _card(row: Row[Any]) -> Card:
    return Card(
        row.key,
        row.run_id,
        Kind(row.kind),
        row.recipient,
        row.moment,
        row.thread_ts,
        row.channel,
        row.ts,
        row.drawn,
        loaded_if(row.drawn_at),
        loaded_if(row.tried_at),
        row.gone,
    )
