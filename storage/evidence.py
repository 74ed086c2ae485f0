"""The one gapless log: every event, every refusal, every change of policy, each naming the one before."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json  # half the time of the standard library's
from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import canonical, iso
from storage.tables import evidence, evidence_head
from storage.writing import tell_listeners

FIRST_PREV = "0" * 64
ROWS_AT_ONCE = 500  # read together
_HEAD = select(evidence_head.c.n, evidence_head.c.hash).with_for_update()
_APPEND = insert(evidence)
_MOVE_HEAD = update(evidence_head)
_OWED = "evidence owed"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened. `run_id` None: it belongs to no run."""

    kind: str
    at: datetime
    by: str
    body: Mapping[str, Any]
    run_id: str | None = None


def link(prev: str, body: bytes) -> str:
    """The hash of an entry: SHA-256 over the previous hash and the canonical body."""
    return hashlib.sha256(prev.encode() + body).hexdigest()


def owe(connection: AsyncConnection, entries: Iterable[Entry]) -> None:
    """Entries of the transaction that `connection` is in: `write_owed` ends it with them."""
    connection.info.setdefault(_OWED, []).extend(entries)


def forget_owed(connection: AsyncConnection) -> None:
    """Forgets what was owed by a transaction that was taken back."""
    connection.info.pop(_OWED, None)


async def write_owed(connection: AsyncConnection) -> None:
    """All changes of a transaction lock the head once, and last: nobody waits for a row under its lock."""
    entries: Sequence[Entry] = connection.info.pop(_OWED, ())
    if entries:
        await tell_listeners(connection, sorted({one.run_id for one in entries if one.run_id is not None}))
        await write(connection, entries)


async def write(connection: AsyncConnection, entries: Iterable[Entry]) -> None:
    """Appends in the caller's transaction. The head is locked last, so call this last."""
    head = (await connection.execute(_HEAD)).one()
    n, prev = head.n, head.hash
    rows = []
    for entry in entries:
        n += 1
        about = {"n": n, "at": iso(entry.at), "kind": entry.kind, "by": entry.by}
        body = canonical({**entry.body, **about, "run": entry.run_id})
        digest = link(prev, body)
        rows.append({**about, "run_id": entry.run_id, "body": body.decode(), "prev": prev, "hash": digest})
        prev = digest
    if rows:
        await connection.execute(_APPEND, rows)
        await connection.execute(_MOVE_HEAD, {"n": n, "hash": prev})


async def first_break(connection: AsyncConnection, n: int = 0, prev: str = FIRST_PREV) -> int | None:
    """The number of the first entry that does not follow from the one before; None: the chain holds.

    `n` and `prev`: the newest entry that is known to be right, and its hash. It is asked for again.
    """
    if n and await connection.scalar(select(evidence.c.hash).where(evidence.c.n == n)) != prev:
        return n
    expected = n + 1
    following = select(evidence).where(evidence.c.n > n).order_by(evidence.c.n)
    async with connection.stream(following) as rows:
        async for part in rows.partitions(ROWS_AT_ONCE):
            for row in part:
                if row.n != expected or row.prev != prev or not _is_linked(row):
                    return expected
                prev, expected = row.hash, expected + 1
    return None if await head_of(connection) == (expected - 1, prev) else expected


async def head_of(connection: AsyncConnection) -> tuple[int, str]:
    """Returns the number and the hash of the newest entry; (0, FIRST_PREV): nothing was ever stored."""
    head = (await connection.execute(select(evidence_head))).one_or_none()
    return (0, FIRST_PREV) if head is None else (head.n, head.hash)


def _is_linked(row: Row[Any]) -> bool:
    """Whether the entry says what was hashed; a damaged file may hold anything, not only text."""
    if not isinstance(row.body, str) or row.hash != link(row.prev, row.body.encode()):
        return False
    body = from_json(row.body)
    in_body = (body["n"], body["at"], body["kind"], body["by"], body["run"])
    return in_body == (row.n, row.at, row.kind, row.by, row.run_id)  # columns are for queries
