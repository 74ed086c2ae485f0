"""Runs: their events, their projection and their locks. Who may drive them: `storage.claims`.

Everything that changes a run goes through a `Transaction`: one transaction that checks the seq (and the
epoch, for a driver), appends events and evidence together, and keeps the projection true.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import iso
from bot.drilling import DrillResult, shown_by
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.model import State
from bot.outside import OutsideChange
from bot.processes import LiveProcess
from bot.run import Run
from bot.signatures import Signer
from bot.spans import Lived
from bot.suggesting import Hold
from storage.aftermath import (
    backups_of,
    beside_of,
    drills_of,
    open_backups_of,
    open_drills_of,
    runs_called,
    runs_that_moved,
)
from storage.change_rows import told_since
from storage.database import Database
from storage.event_rows import EVENTS_OF_RUN, event_in
from storage.evidence import FIRST_PREV
from storage.processes import ProcessStore
from storage.projection import Summary, summary_in
from storage.spans import SpanStore
from storage.tables import (
    deliveries,
    evidence,
    evidence_head,
    holds,
    installation,
    proofs,
    run_events,
    runs,
    target_locks,
)
from storage.times import loaded, loaded_if
from storage.transaction import OPEN_REQUESTS, OPEN_RUN, Dispatch, Repeated, Transaction
from storage.writing import insert_if_new

T = TypeVar("T")
Told = Callable[[Run, Event], None]
# Built once: these are asked by every command and every card.
_BEGUN = (
    select(func.min(run_events.c.seq))
    .where(run_events.c.run_id == runs.c.run_id, run_events.c.kind == EventKind.STEP_STARTED.value)
    .correlate(runs)
    .scalar_subquery()
)
_WAITED_FOR_PEOPLE = (
    select(run_events.c.seq)
    .where(run_events.c.run_id == runs.c.run_id, run_events.c.seq > _BEGUN)
    .where(run_events.c.kind.in_(sorted(kind.value for kind in machine.WAITS_FOR_A_DECISION)))
    .correlate(runs)
    .exists()
)
_HEARD = select(deliveries.c.key).where(deliveries.c.key == bindparam("key"))


class Store:
    """Runs as people and drivers see them. Times come in as arguments."""

    why_read_only: str | None = None  # one sentence, for whoever wants to open or decide something

    def __init__(
        self,
        database: Database,
        installation_id: str,
        signer: Signer | None,
        dispatch: Dispatch | None = None,
        told: Told | None = None,
    ) -> None:
        """`dispatch` None: the workers are in this process, or find their work by the sweep.

        `told` hears of each event once it is stored.
        """
        self._told = told
        self.database = database
        self.installation = installation_id
        self._signer = signer
        self._dispatch = dispatch

    async def change(self, work: Callable[[Transaction], Awaitable[T]], within: float | None = None) -> T:
        """`within` seconds, or not at all. `work` may be run more than once. Raises as `Database.write`."""

        stored: list[tuple[Run, Event]] = []

        async def transaction(connection: AsyncConnection) -> T:
            change = Transaction(connection, self.installation, self._signer, self._dispatch)
            result = await work(change)
            change.close()
            stored[:] = change.stored
            return result

        result = await self.database.write(transaction, within)
        if self._told is not None:
            for run, event in stored:
                self._told(run, event)
        return result

    async def append(
        self, run: Run, *events: Event, epoch: int | None = None, within: float | None = None
    ) -> Run:
        return await self.change(lambda change: change.append(run, events, epoch), within)

    async def load(self, run_id: str) -> Run:
        """Raises KeyError when there is no such run."""
        events = await self.events(run_id)
        if not events:
            raise KeyError(run_id)
        return machine.fold(run_id, events)

    async def events(self, run_id: str) -> tuple[Event, ...]:
        async with self.database.read() as connection:
            return tuple(event_in(row) for row in await connection.execute(EVENTS_OF_RUN, {"run_id": run_id}))

    # What becomes of them

    async def progress(self, run_id: str, epoch: int, progress: dict[str, Any]) -> None:
        held = update(runs).where(runs.c.run_id == run_id, runs.c.epoch == epoch)
        await self.database.changes_one(held.values(progress=progress))

    async def due(self, now: datetime) -> list[str]:
        """Runs that the clock has to end."""
        return await self._ids(select(runs.c.run_id).where(runs.c.due_at <= iso(now)).limit(200))

    async def to_show(self) -> list[str]:
        """Runs whose cards are behind, decisions before chatter."""
        urgent = runs.c.state.in_([State.RUNNING.value, State.REQUESTED.value])
        behind = select(runs.c.run_id).where(runs.c.shown_seq < runs.c.seq)
        return await self._ids(behind.order_by(urgent, runs.c.changed_at).limit(200))

    async def ids_in(self, state: State) -> list[str]:
        return await self._ids(select(runs.c.run_id).where(runs.c.state == state.value, ~runs.c.final))

    async def shown(self, run_id: str, seq: int) -> None:
        newer = update(runs).where(runs.c.run_id == run_id, runs.c.shown_seq < seq)
        await self.database.changes_one(newer.values(shown_seq=seq))

    async def _ids(self, query: Any) -> list[str]:
        async with self.database.read() as connection:
            return [str(row[0]) for row in await connection.execute(query)]

    # Lists

    async def summaries(
        self, *, target: str | None = None, only_open: bool = False, limit: int = 50
    ) -> tuple[Summary, ...]:
        """Newest first. Backups that the clock has taken stand in no list: they are named by their points."""
        asked_for = runs.c.number > 0
        query = select(runs).where(asked_for).order_by(runs.c.number.desc()).limit(limit)
        if target is not None:
            query = query.where(runs.c.target == target)
        if only_open:
            query = query.where(runs.c.final.is_(False))
        async with self.database.read() as connection:
            return tuple(summary_in(row) for row in await connection.execute(query))

    async def open_run_of(self, target: str) -> str | None:
        async with self.database.read() as connection:
            return await connection.scalar(OPEN_RUN, {"target": target})

    async def open_runs(self) -> dict[str, str]:
        """Target to the id of its open run."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(target_locks.c.target, target_locks.c.run_id))
            return {row.target: row.run_id for row in rows}

    async def heard(self, key: str) -> None:
        """Raises Repeated when this delivery had its effect before: said before anybody is refused for it."""
        async with self.database.read() as connection:
            if await connection.scalar(_HEARD, {"key": key}) is not None:
                raise Repeated(key)

    async def open_requests_of(self, human: str, *, beside: bool = False) -> int:
        """Counts copies beside, or everything else."""
        async with self.database.read() as connection:
            asked = {"human": human, "beside": beside}
            return int(await connection.scalar(OPEN_REQUESTS, asked) or 0)

    async def outages(self, target: str, limit: int = 20) -> list[float]:
        """Seconds that customers waited in earlier successful runs, newest first.

        A run that waited for people after its first effect says nothing about the next one.
        """
        query = (
            select(runs.c.outage_seconds)
            .where(runs.c.target == target, runs.c.outage_seconds.is_not(None), ~_WAITED_FOR_PEOPLE)
            .order_by(runs.c.number.desc())
            .limit(limit)
        )
        async with self.database.read() as connection:
            return [float(row[0]) for row in await connection.execute(query)]

    async def lived(self, target: str) -> tuple[Lived, ...]:
        """Which states were seen live from when to when, oldest first."""
        return await SpanStore(self.database).lived(target)

    async def processes(self, now: datetime) -> tuple[LiveProcess, ...]:
        """Returns the processes that said lately that they are there; none where one process is alone."""
        return await ProcessStore(self.database).seen(now)

    async def moved(self, target: str) -> tuple[Run, ...]:
        """Runs that may have changed what is live in a target, newest first."""
        async with self.database.read() as connection:
            return await runs_that_moved(connection, target)

    async def drills(self, target: str) -> tuple[Run, ...]:
        """Drills of a target that have ended, newest first."""
        async with self.database.read() as connection:
            return await drills_of(connection, target)

    async def drill_results(self, target: str, points: Collection[str]) -> dict[str, DrillResult]:
        """Returns what was last shown of each of these points, by the events of the run that has shown it.

        That is a drill, or the look at a backup as it was taken. Which one it is was not noted by earlier
        versions: there the newest drills are looked through.
        """
        async with self.database.read() as connection:
            shown = shown_by(await drills_of(connection, target))
            known = {result.run for result in shown.values()}
            others = await runs_called(connection, await _noted(connection, target, points) - known)
        # What is noted beside the events proves nothing: it may be neither.
        return shown_by(run for run in others if run.is_drill or run.is_backup or run.is_rehearsal) | shown

    async def changes_since(self, target: str, since: datetime) -> tuple[tuple[OutsideChange, ...], int]:
        """Returns changes without the bot, significant and newest first, and how many were told of in all."""
        async with self.database.read() as connection:
            return await told_since(connection, target, since)

    async def backups(self, target: str) -> tuple[Run, ...]:
        """The newest backups of a target that the clock has taken well, newest first."""
        async with self.database.read() as connection:
            return await backups_of(connection, target)

    async def open_backups(self, target: str) -> tuple[Run, ...]:
        """Backups of a target that have not ended."""
        async with self.database.read() as connection:
            return await open_backups_of(connection, target)

    async def open_drills(self, target: str) -> tuple[Run, ...]:
        """Drills of a target that have not ended."""
        async with self.database.read() as connection:
            return await open_drills_of(connection, target)

    async def beside(self, target: str) -> tuple[Run, ...]:
        """Open drills of a target, and its snapshots that stand: they need their restore points."""
        async with self.database.read() as connection:
            return await beside_of(connection, target)

    async def progress_of(self, run_id: str) -> dict[str, Any] | None:
        async with self.database.read() as connection:
            found: dict[str, Any] | None = await connection.scalar(
                select(runs.c.progress).where(runs.c.run_id == run_id)
            )
            return found

    async def holds(self, targets: Sequence[str]) -> tuple[Hold, ...]:
        query = select(holds).where(holds.c.target.in_(targets), holds.c.lifted_at.is_(None))
        async with self.database.read() as connection:
            return tuple(
                Hold(row.target, row.point, row.run_id, loaded(row.placed_at))
                for row in await connection.execute(query)
            )

    async def newest_time(self) -> datetime | None:
        """When the newest entry of the log was written: the clock never runs back behind it."""
        async with self.database.read() as connection:
            newest = select(evidence.c.at).order_by(evidence.c.n.desc()).limit(1)
            return loaded_if(await connection.scalar(newest))

    async def note(
        self, kind: str, at: datetime, by: str, body: dict[str, Any], run_id: str | None = None
    ) -> None:
        """Evidence of a refusal or a change of policy."""

        async def work(change: Transaction) -> None:
            change.note(kind, at, by, body, run_id)

        await self.change(work)

    async def forget_deliveries_before(self, moment: datetime) -> None:
        """A signed request can be replayed for five minutes, an event is sent again within the hour."""
        old = delete(deliveries).where(deliveries.c.at < iso(moment))
        await self.database.write(lambda connection: connection.execute(old))

    async def note_if_new(self, kind: str, at: datetime, body: dict[str, Any]) -> None:
        """Evidence of what is so from now on; nothing when the newest entry of this kind says so already."""
        newest = select(evidence.c.body).where(evidence.c.kind == kind).order_by(evidence.c.n.desc()).limit(1)
        head = select(evidence_head.c.n).with_for_update()

        async def is_known(connection: AsyncConnection) -> bool:
            known = await connection.scalar(newest)
            return known is not None and body.items() <= json.loads(known).items()

        async def work(change: Transaction) -> None:
            await change.connection.execute(head)  # of two processes that start at once the second waits
            if not await is_known(change.connection):
                change.note(kind, at, "", body)

        async with self.database.read() as connection:
            if await is_known(connection):
                return
        await self.change(work)


async def _noted(connection: AsyncConnection, target: str, points: Collection[str]) -> set[str]:
    """The ids of the runs that have shown something of these restore points, as it was noted."""
    query = select(proofs.c.point, proofs.c.run_id).where(proofs.c.target == target)
    wanted = frozenset(points)
    return {row.run_id for row in await connection.execute(query) if row.point in wanted}


async def open_store(
    database: Database,
    signer: Signer | None,
    now: datetime,
    dispatch: Dispatch | None = None,
    told: Told | None = None,
) -> Store:
    """The store of a database at HEAD; the first opening gives the installation its name."""
    known = select(installation.c.id)

    async def introduce(connection: AsyncConnection) -> str:
        # Of two who open it first, one makes the head; the other has waited for that, and reads the name.
        if await insert_if_new(connection, evidence_head, {"id": 1, "n": 0, "hash": FIRST_PREV}):
            row = {"id": secrets.token_hex(4), "made_at": iso(now), "runs": 0}
            await connection.execute(insert(installation), row)
        return str((await connection.execute(known)).scalar_one())

    async with database.read() as connection:
        found = await connection.scalar(known)
    name = await database.write(introduce) if found is None else str(found)
    return Store(database, name, signer, dispatch, told)
