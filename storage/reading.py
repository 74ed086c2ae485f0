"""What pages and metrics read: how many runs there are, and the evidence of one. Writes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from bot.model import State
from storage.database import Database
from storage.tables import evidence, runs
from storage.times import loaded, loaded_if

WAITS_FOR_PEOPLE = (State.AWAITING_APPROVAL.value, State.PAUSED.value, State.STUCK.value)


@dataclass(frozen=True, slots=True)
class Counts:
    runs: Mapping[tuple[str, str], int]  # (target, state) to how many
    open_runs: int
    waiting_since: datetime | None  # of the run whose people have been silent longest; None: none waits
    behind: int  # runs whose cards do not show the stored state yet


@dataclass(frozen=True, slots=True)
class Proof:
    """One entry of the evidence log."""

    n: int
    at: datetime
    kind: str
    by: str  # Slack user id; empty: the bot
    seq: int | None  # of the run's event; None: a refusal or another note beside the run
    body: Mapping[str, Any]
    hash: str


async def counts(database: Database) -> Counts:
    by_state = select(runs.c.target, runs.c.state, func.count()).group_by(runs.c.target, runs.c.state)
    waiting = select(func.min(runs.c.changed_at)).where(runs.c.state.in_(WAITS_FOR_PEOPLE))
    still_open = select(func.count()).where(runs.c.final.is_(False))
    behind = select(func.count()).where(runs.c.shown_seq < runs.c.seq)
    async with database.read() as connection:
        return Counts(
            {(target, state): count for target, state, count in await connection.execute(by_state)},
            int(await connection.scalar(still_open) or 0),
            loaded_if(await connection.scalar(waiting)),
            int(await connection.scalar(behind) or 0),
        )


async def proofs(database: Database, run_id: str) -> tuple[Proof, ...]:
    """Everything that the log holds about a run, oldest first."""
    query = select(evidence).where(evidence.c.run_id == run_id).order_by(evidence.c.n)
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return tuple(
        Proof(row.n, loaded(row.at), row.kind, row.by, body.get("seq"), body, row.hash)
        for row in rows
        for body in [json.loads(row.body)]
    )
