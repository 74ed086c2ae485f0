"""Runs: their events, their projection and their locks. Who may drive them: `storage.claims`.

Everything that changes a run goes through a `Transaction`: one transaction that checks the seq (and the
epoch, for a driver), appends events and evidence together, and keeps the projection true.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import bindparam, delete, func, insert, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import iso
from bot.envelope import Event
from bot.errors import ClaimLost, StaleRun, UserError
from bot.event_kinds import EventKind
from bot.events import Superseded
from bot.model import Left, State
from bot.processes import LiveProcess
from bot.run import Run
from bot.signatures import Signer, sealed
from bot.spans import Lived
from bot.suggesting import Hold
from storage import cards
from storage.aftermath import moved_before, place_holds, runs_that_moved
from storage.database import Database
from storage.event_rows import EVENTS_OF_RUN, as_stored, event_in, event_row
from storage.evidence import FIRST_PREV, Entry, owe
from storage.processes import ProcessStore
from storage.projection import Summary, fixed_columns, moving_columns, summary_in
from storage.spans import SpanStore
from storage.tables import (
    deliveries,
    evidence,
    evidence_head,
    holds,
    installation,
    run_events,
    runs,
    target_locks,
)
from storage.times import loaded, loaded_if
from storage.writing import insert_if_new

T = TypeVar("T")
Told = Callable[[Run, Event], None]
_PROJECTED = (
    "state",
    "phase",
    "final",
    "seq",
    "changed_at",
    "due_at",
    "wants_driving",
    "outage_seconds",
)
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
_OPEN_RUN = select(target_locks.c.run_id).where(target_locks.c.target == bindparam("target"))
_NEXT_NUMBER = update(installation).values(runs=installation.c.runs + 1).returning(installation.c.runs)
_OPEN_REQUESTS = select(func.count()).where(
    runs.c.requester_human == bindparam("human"), runs.c.final.is_(False)
)
_MOVE = (
    update(runs)
    .where(runs.c.run_id == bindparam("of_run"), runs.c.seq == bindparam("from_seq"))
    .values({**{name: bindparam(name) for name in _PROJECTED}, "progress": null()})  # of a step as it was
)
_MOVE_AS_DRIVER = _MOVE.where(runs.c.epoch == bindparam("of_epoch"))


class Repeated(Exception):
    """This delivery had its effect before."""


class TargetTaken(UserError):
    """Another run is open for this target."""

    def __init__(self, target: str, run_id: str) -> None:
        super().__init__(
            f"`{target}` has an open request already: {run_id}. "
            "Look at its card, or end it before asking again."
        )
        self.run_id = run_id


class Dispatch(Protocol):
    """Sends work to workers in other processes, in the transaction of what caused it.

    Lost or sent twice, it does no harm: the sweep finds what waits, and a claim is taken once.
    """

    async def drive(self, connection: AsyncConnection, run_id: str, target: str) -> None: ...

    async def look(self, connection: AsyncConnection, look_id: int, target: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new run needs besides its event."""

    event: Event
    locks: tuple[str, ...]
    channel: str  # where its card goes


class Transaction:
    """One transaction. What it collects for the evidence is written last, under the head's lock."""

    def __init__(
        self,
        connection: AsyncConnection,
        installation_id: str,
        signer: Signer | None,
        dispatch: Dispatch | None,
    ) -> None:
        self.connection = connection
        self._installation = installation_id
        self._signer = signer
        self._dispatch = dispatch
        self._entries: list[Entry] = []
        self.stored: list[tuple[Run, Event]] = []  # events, each with the run as the last of them leaves it
        self._number: int | None = None  # of the run that is opened next; None: none was taken yet

    async def once(self, key: str | None, at: datetime) -> None:
        """Marks a delivery as done, together with what it causes. Raises Repeated."""
        if key is None:
            return
        if not await insert_if_new(self.connection, deliveries, {"key": key, "at": iso(at)}):
            raise Repeated(key)

    async def open(self, opening: Opening) -> Run:
        """A new run with its locks and its card to be posted. Raises TargetTaken."""
        run_id = await self.next_id()
        requested = self._sealed(run_id, 1, "", opening.event)
        run = machine.begin(run_id, requested)
        projection = {**moving_columns(run), "number": self._number, "epoch": 0, "shown_seq": 0}
        self._number = None
        await self.connection.execute(insert(runs), {"run_id": run_id, **projection, **fixed_columns(run)})
        await self._lock(run_id, opening.locks)
        await self._write_events(run, (requested,))
        await cards.want(self.connection, run_id, cards.CardKind.CARD, opening.channel, opening.event.at)
        await self._send_to_workers(run)
        return run

    async def next_id(self) -> str:
        """Of the run that this transaction opens next."""
        if self._number is None:
            self._number = await self.connection.scalar(_NEXT_NUMBER)
        return f"RB-{self._number}"

    async def open_requests_of(self, human: str) -> int:
        """Ask after `next_id`: its row lets one opener at a time through, so nobody counts too few."""
        return int(await self.connection.scalar(_OPEN_REQUESTS, {"human": human}) or 0)

    async def _lock(self, run_id: str, targets: Sequence[str]) -> None:
        for target in targets:
            while not await insert_if_new(
                self.connection, target_locks, {"target": target, "run_id": run_id}
            ):
                holder = await self.connection.scalar(_OPEN_RUN, {"target": target})
                if holder is not None:  # else it was given back a moment ago
                    raise TargetTaken(target, holder)

    async def append(self, run: Run, events: Sequence[Event], epoch: int | None = None) -> Run:
        """The run after `events`. Raises StaleRun: somebody moved it first; ClaimLost; NotAllowed."""
        placed, moved = [], run
        for event in events:
            one = self._sealed(run.id, moved.seq + 1, run.approval.digest, event)
            moved = machine.apply(moved, one)
            placed.append(one)
        known = {"of_run": run.id, "from_seq": run.seq, "of_epoch": epoch}
        move = _MOVE if epoch is None else _MOVE_AS_DRIVER
        done = await self.connection.execute(move, {**moving_columns(moved), **known})
        if done.rowcount != 1:
            raise await self._refusal(run, epoch)
        await self._write_events(moved, placed)
        if moved.state.final and not run.state.final:
            await self.connection.execute(delete(target_locks).where(target_locks.c.run_id == run.id))
            await place_holds(self.connection, moved)
        if moved.work.live is Left.POINT and run.work.live is not Left.POINT:
            await self._supersede(moved, placed[-1].at)
        if epoch is None:  # a driver goes on by itself
            await self._send_to_workers(moved)
        return moved

    async def _send_to_workers(self, run: Run) -> None:
        if self._dispatch is not None and machine.wants_driving(run):
            await self._dispatch.drive(self.connection, run.id, run.request.target)

    async def _refusal(self, run: Run, epoch: int | None) -> Exception:
        held = await self.connection.scalar(select(runs.c.epoch).where(runs.c.run_id == run.id))
        return StaleRun(run.id) if epoch in {None, held} else ClaimLost(run.id)

    async def _supersede(self, run: Run, at: datetime) -> None:
        """What the run before brought to these targets is not live any more: its card says so, too."""
        point = run.approval.plan.point
        for leg in run.approval.plan.legs:
            for earlier in await moved_before(self.connection, leg.target, run.id):
                await self.append(earlier, (Event(Superseded(run.id, point.label or point.id), at),))

    def note(self, kind: str, at: datetime, by: str, body: dict[str, Any], run_id: str | None = None) -> None:
        """Evidence of something that is no event of a run: a refusal, a change of policy."""
        self._entries.append(Entry(kind, at, by, body, run_id))

    def close(self) -> None:
        owe(self.connection, self._entries)

    async def _write_events(self, run: Run, events: Sequence[Event]) -> None:
        rows = [event_row(run.id, event) for event in events]
        await self.connection.execute(insert(run_events), rows)
        for event in events:
            stored = as_stored(event)
            body = {"seq": event.seq, "data": stored.data, "signature": event.signature}
            self._entries.append(Entry(stored.kind, event.at, event.by, body, run.id))
            self.stored.append((run, event))

    def _sealed(self, run_id: str, seq: int, digest: str, event: Event) -> Event:
        placed = replace(event, seq=seq, at=from_stored(event.at))
        return sealed(placed, self._installation, run_id, digest, self._signer)


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
        """Newest first."""
        query = select(runs).order_by(runs.c.number.desc()).limit(limit)
        if target is not None:
            query = query.where(runs.c.target == target)
        if only_open:
            query = query.where(runs.c.final.is_(False))
        async with self.database.read() as connection:
            return tuple(summary_in(row) for row in await connection.execute(query))

    async def open_run_of(self, target: str) -> str | None:
        async with self.database.read() as connection:
            return await connection.scalar(_OPEN_RUN, {"target": target})

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

    async def open_requests_of(self, human: str) -> int:
        async with self.database.read() as connection:
            return int(await connection.scalar(_OPEN_REQUESTS, {"human": human}) or 0)

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


def from_stored(at: datetime) -> datetime:
    """Cut to what the tables keep, so that a run folded in memory equals one loaded again."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
