"""A database that was put back: what happened since its backup was made is not known to it.

It opens, decides and drives nothing until people confirm, which ends or doubts every run that it believes to
be open. Its installation has a new name from the start, so that no new operation carries an old one's id.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import iso
from bot.envelope import Event
from bot.errors import UserError
from bot.model import State
from bot.run import Run
from bot.times import moment
from storage.database import Database
from storage.evidence import Entry, head_of, write
from storage.integrity import CONFIRMED, RESTORED
from storage.runs import Store
from storage.sealing import forget_seal
from storage.tables import evidence, installation, runs
from storage.times import loaded, loaded_if
from storage.transaction import Opening, Transaction

T = TypeVar("T")

READ_ONLY = (
    "NOT accepted, nothing will run: this bot was put back from a backup and waits until its operator "
    "confirms what happened since (`rollback-bot db forgotten`, then `rollback-bot db confirm`)."
)
FORGOTTEN = "The bot was put back from a backup: what happened to this run since {since} is not known to it."


class ReadOnly(UserError):
    def __init__(self) -> None:
        super().__init__(READ_ONLY)


@dataclass(frozen=True, slots=True)
class RestoredDatabase:
    at: datetime
    since: datetime | None  # the newest evidence of the backup; None: it had none
    before: str  # the installation's name that the operations in its runs carry
    installation: str  # its new name
    newest: int  # number of the newest run that it knows


async def restored(database: Database) -> RestoredDatabase | None:
    """None: it is no restored backup, or people have confirmed."""
    async with database.read() as connection:
        found = (await connection.execute(select(installation))).one_or_none()
        if found is None or found.restored_at is None:
            return None
        before = await _before(connection) or found.id
    return RestoredDatabase(
        loaded(found.restored_at), loaded_if(found.restored_from), before, found.id, found.runs
    )


async def _before(connection: AsyncConnection) -> str | None:
    """The old name, from the newest entry that says so; None: never restored."""
    newest = select(evidence.c.body).where(evidence.c.kind == RESTORED).order_by(evidence.c.n.desc()).limit(1)
    body = await connection.scalar(newest)
    return None if body is None else str(json.loads(body)["before"])


async def mark_restored(database: Database, at: datetime, by: str) -> RestoredDatabase:
    """From now on it is read only. Raises UserError when it never was in use."""

    async def mark(connection: AsyncConnection) -> None:
        forget_seal(database)
        found = (await connection.execute(select(installation))).one_or_none()
        if found is None:
            raise UserError(
                "This database was never in use, so there is nothing in it that could be put back."
            )
        n, head = await head_of(connection)
        since = await connection.scalar(select(evidence.c.at).where(evidence.c.n == n))
        # twice restored without a confirmation between: the runs carry the name from before the first time
        before = await _before(connection) if found.restored_at else None
        name = secrets.token_hex(4)
        names = {"before": before or found.id, "installation": name}
        about = {**names, "n_of_backup": n, "hash_of_backup": head, "since": since}
        values = {"id": name, "restored_at": iso(at), "restored_from": since}
        await connection.execute(update(installation).values(**values))
        await write(connection, [Entry(RESTORED, at, by, about)])

    await database.write(mark)
    now = await restored(database)
    assert now is not None  # it was marked a moment ago
    return now


async def confirm(database: Database, highest: int, at: datetime, by: str) -> tuple[Run, ...]:
    """The runs that were ended, or are stuck until people say what is live. Raises UserError.

    `highest`: the newest run number that anybody has seen; new runs are numbered after it.
    """
    told = await restored(database)
    if told is None:
        raise UserError("There is nothing to confirm: this database is in use as it is.")
    why = FORGOTTEN.format(since=moment(told.since) if told.since else "then")
    store = Store(database, told.installation, None)
    believed = [(run, machine.forgotten(run, at, why, told.before)) for run in await _unfinished(store)]

    async def work(change: Transaction) -> tuple[Run, ...]:
        forget_seal(database)
        moved = [await change.append(run, events) for run, events in believed if events]
        ended = {run.id: run.state.value for run in moved}
        change.note(CONFIRMED, at, by, {"installation": told.installation, "highest": highest, "runs": ended})
        values = {"restored_at": None, "restored_from": None, "runs": max(told.newest, highest)}
        await change.connection.execute(update(installation).values(**values))
        return tuple(moved)

    return await store.change(work)


async def _unfinished(store: Store) -> Sequence[Run]:
    """Open, or failed: a failed run may still be leaving maintenance."""
    some = select(runs.c.run_id).where(runs.c.final.is_(False) | (runs.c.state == State.FAILED.value))
    async with store.database.read() as connection:
        found = [row.run_id for row in await connection.execute(some.order_by(runs.c.number))]
    return [await store.load(run_id) for run_id in found]


class RestoredStore(Store):
    """Reads like any other. Keeps refusals as evidence, and refuses to open or decide anything."""

    why_read_only = READ_ONLY

    async def change(self, work: Callable[[Transaction], Awaitable[T]], within: float | None = None) -> T:
        async def transaction(connection: AsyncConnection) -> T:
            change = _NotesOnly(connection, self.installation, None, None)
            result = await work(change)
            change.close()
            return result

        return await self.database.write(transaction, within)

    async def due(self, now: datetime) -> list[str]:
        return []

    async def to_show(self) -> list[str]:
        return []

    async def ids_in(self, state: State) -> list[str]:
        return []


class _NotesOnly(Transaction):
    async def _open(self, run_id: str, opening: Opening) -> NoReturn:
        raise ReadOnly

    async def append(self, run: Run, events: Sequence[Event], epoch: int | None = None) -> NoReturn:
        raise ReadOnly
