"""The one gapless log: every event, every refusal, every change of policy, each naming the one before."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canon import canonical, iso
from storage.tables import evidence, evidence_head

FIRST_PREV = "0" * 64
_HEAD = select(evidence_head.c.n, evidence_head.c.hash).with_for_update()
_APPEND = insert(evidence)
_MOVE_HEAD = update(evidence_head)


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


async def first_break(connection: AsyncConnection) -> int | None:
    """The number of the first entry that does not follow from the one before; None: the chain holds."""
    prev, expected = FIRST_PREV, 1
    rows = await connection.stream(select(evidence).order_by(evidence.c.n))
    async for row in rows:
        if row.n != expected or row.prev != prev or row.hash != link(prev, row.body.encode()):
            return expected
        if any(json.loads(row.body)[key] != value for key, value in _about(row).items()):
            return expected
        prev, expected = row.hash, expected + 1
    head = (await connection.execute(select(evidence_head))).one()
    return None if (head.n, head.hash) == (expected - 1, prev) else expected


def _about(row: Row[Any]) -> dict[str, Any]:
    """What stands in columns for queries, and in the body for the hash."""
    return {"n": row.n, "at": row.at, "kind": row.kind, "by": row.by, "run": row.run_id}
