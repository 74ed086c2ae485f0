"""Messages that Slack should show: which are owed, where they stand, what they show.

A row is wanted before it is posted; `tried_at` without `ts` is a post whose answer was lost. A posted row
may be `gone`: its message stands in Slack as it was last drawn, where nothing can be said at the moment.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.model import State
from storage.database import Database
from storage.tables import cards, runs
from storage.times import loaded_if
from storage.writing import insert_if_new


class CardKind(StrEnum):
    CARD = "card"  # the one message in the channel
    DIRECT = "direct"  # a copy for one awaited person
    NOTICE = "notice"  # a new message for one moment, in the card's thread
    LINE = "line"  # one line with the link, in the thread where it was asked
    AUDIT = "audit"  # a copy of every request in the audit channel
    ADDRESS = "address"  # tells whoever asked for a snapshot where its copy stands
    DIGEST = "digest"  # of a month, for managers: it belongs to no run
    PRACTICE = "practice"  # for an approver of whom nothing was heard for long: it belongs to no run
    REMINDER = "reminder"  # of what is due between incidents: it belongs to no run


MAYBE = ""  # as `superseded_ts`: there may be an older message, it was not found yet
DRAWN_AT_MOST_RUNS = 200  # in a round
_MAIN = cards.alias("main")
_OWES_ITS_CARD = exists().where(
    _MAIN.c.run_id == runs.c.run_id,
    _MAIN.c.kind == CardKind.CARD,
    _MAIN.c.gone.is_(None),
    or_(_MAIN.c.ts.is_(None), _MAIN.c.superseded_ts.is_not(None)),
)
_LATER = case(
    # Old debts beside a card that is true: they must not hold up a new card, however many there are.
    (and_(runs.c.shown_seq >= runs.c.seq, runs.c.state != State.RUNNING, ~_OWES_ITS_CARD), 2),
    (runs.c.state.in_([State.RUNNING, State.REQUESTED, State.APPROVED]), 1),
    else_=0,
)
_COLUMNS = (runs.c.run_id, runs.c.seq, _LATER.label("later"), runs.c.changed_at)
_BEHIND = select(*_COLUMNS).where(runs.c.shown_seq < runs.c.seq)
_RUNNING = select(*_COLUMNS).where(runs.c.final.is_(False), runs.c.state == State.RUNNING)
_OWED = (
    select(*_COLUMNS)
    .join(cards, cards.c.run_id == runs.c.run_id)
    .where(cards.c.gone.is_(None), or_(cards.c.ts.is_(None), cards.c.superseded_ts.is_not(None)))
)
_TO_DRAW = _BEHIND.union(_RUNNING, _OWED).order_by("later", "changed_at").limit(DRAWN_AT_MOST_RUNS)
_OF_RUN = select(cards).where(cards.c.run_id == bindparam("run_id")).order_by(cards.c.made_at, cards.c.key)


@dataclass(frozen=True, slots=True)
class Card:
    key: str  # opaque; what its buttons carry
    run_id: str
    kind: CardKind
    recipient: str
    moment: str
    thread_ts: str | None
    channel: str | None
    ts: str | None
    drawn: str | None
    drawn_at: datetime | None
    tried_at: datetime | None
    gone: str | None  # why nothing can be said there; None: it can
    superseded_ts: str | None = None  # an older message of it that has to be marked so; MAYBE; None: none

    @property
    def unclear(self) -> bool:
        """Its post was sent, and the answer never came."""
        return self.ts is None and self.tried_at is not None


@dataclass(frozen=True, slots=True)
class ToDraw:
    """A run whose messages may have to be changed, and the seq that they would show."""

    run_id: str
    seq: int


async def want(
    connection: AsyncConnection,
    run_id: str,
    kind: CardKind,
    recipient: str,
    at: datetime,
    *,
    moment: str = "",
    thread_ts: str | None = None,
    key: str | None = None,
) -> None:
    """Owes one message; owing it again changes nothing. `key` None: any."""
    row = {
        "key": key or secrets.token_hex(6),
        "run_id": run_id,
        "kind": kind.value,
        "recipient": recipient,
        "moment": moment,
        "thread_ts": thread_ts,
        "made_at": iso(at),
    }
    await insert_if_new(connection, cards, row)


async def place(
    connection: AsyncConnection, key: str, channel: str, ts: str, drawn: str, at: datetime
) -> None:
    """Notes where a message stands now, and what it shows."""
    values = {"channel": channel, "ts": ts, "drawn": drawn, "drawn_at": iso(at)}
    await connection.execute(update(cards).where(cards.c.key == key).values(**values))


class CardStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def want(
        self,
        run_id: str,
        kind: CardKind,
        recipient: str,
        at: datetime,
        *,
        moment: str = "",
        thread_ts: str | None = None,
    ) -> None:
        await self._database.write(
            lambda connection: want(
                connection, run_id, kind, recipient, at, moment=moment, thread_ts=thread_ts
            )
        )

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
        unsent = (cards.c.ts.is_(None), cards.c.gone.is_(None), cards.c.run_id != "")
        query = select(cards.c.run_id).where(*unsent).distinct()
        async with self._database.read() as connection:
            return [row.run_id for row in await connection.execute(query)]

    async def to_draw(self) -> Sequence[ToDraw]:
        """Runs that are behind, run, or have a message to post or to mark: decisions, progress, old debts."""
        async with self._database.read() as connection:
            return [ToDraw(row.run_id, row.seq) for row in await connection.execute(_TO_DRAW)]

    async def of_no_run(self) -> tuple[Card, ...]:
        """Reminders and digests that were never posted, and those of which something has become."""
        owed = or_(cards.c.ts.is_(None), cards.c.drawn.is_(None))
        kinds = (CardKind.REMINDER, CardKind.DIGEST, CardKind.PRACTICE)
        mine = (cards.c.run_id == "", cards.c.kind.in_(kinds))  # by an index: asked every second
        return await self._cards(*mine, cards.c.gone.is_(None), owed)

    async def out_of_reach(self, since: datetime, limit: int) -> tuple[Card, ...]:
        """Cards that stand in Slack where nothing could be said, the longest untried first."""
        query = (
            select(cards)
            .where(
                cards.c.kind == CardKind.CARD,
                cards.c.gone.is_not(None),
                cards.c.ts.is_not(None),
                cards.c.drawn_at >= iso(since),
            )
            .order_by(cards.c.tried_at)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return tuple(_card(row) for row in await connection.execute(query))

    async def tried(self, key: str, at: datetime) -> None:
        await self._set(key, tried_at=iso(at))

    async def untried(self, key: str) -> None:
        """Slack says that it did not post it."""
        await self._set(key, tried_at=None)

    async def redrawn(self, key: str, drawn: str, at: datetime) -> None:
        await self._set(key, drawn=drawn, drawn_at=iso(at), gone=None)

    async def lost(self, key: str) -> None:
        """The message is gone from Slack: it is owed once more."""
        await self._set(key, channel=None, ts=None, drawn=None, drawn_at=None, tried_at=None)

    async def supersede(self, key: str, ts: str | None) -> None:
        """An older message of it to be marked so; MAYBE: to be looked for; None: none any more."""
        await self._set(key, superseded_ts=ts)

    async def impossible(self, key: str, why: str) -> None:
        await self._set(key, gone=why[:64])

    async def keep_back(self, run_id: str) -> None:
        """Nothing of a run is posted where others read, unless it stands there already."""
        public = cards.c.kind.in_([CardKind.CARD, CardKind.LINE])
        unsent = (cards.c.ts.is_(None), cards.c.tried_at.is_(None))  # what was sent may stand there unseen
        unsaid = update(cards).where(cards.c.run_id == run_id, public, *unsent)
        kept = unsaid.values(gone="told to nobody but who asked")
        await self._database.write(lambda connection: connection.execute(kept))

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
        CardKind(row.kind),
        row.recipient,
        row.moment,
        row.thread_ts,
        row.channel,
        row.ts,
        row.drawn,
        loaded_if(row.drawn_at),
        loaded_if(row.tried_at),
        row.gone,
        row.superseded_ts,
    )
