"""One transaction about runs: what it appends, opens and locks is stored with its evidence, or not at all.

Whoever only reads, or wants one thing changed, asks `storage.runs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Boolean, bindparam, delete, func, insert, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import iso
from bot.envelope import Event
from bot.errors import ClaimLost, StaleRun, UserError
from bot.events import DropDue, Superseded
from bot.made import droppable, is_backup_gone
from bot.model import Left
from bot.run import Run
from bot.signatures import Signer, sealed
from storage import cards
from storage.aftermath import BESIDE, drills_of, moved_before, place_holds
from storage.duty_rows import follow_up, forget_shown, settle
from storage.event_rows import as_stored, event_row
from storage.evidence import Entry, owe
from storage.projection import BACKUP, RUN, fixed_columns, moving_columns
from storage.schedule_rows import settle_backup
from storage.tables import (
    deliveries,
    installation,
    run_events,
    runs,
    target_locks,
)
from storage.writing import insert_if_new

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
OPEN_RUN = select(target_locks.c.run_id).where(target_locks.c.target == bindparam("target"))
_NEXT_NUMBER = update(installation).values(runs=installation.c.runs + 1).returning(installation.c.runs)
_NEXT_BACKUP = (
    update(installation).values(backups=installation.c.backups + 1).returning(installation.c.backups)
)
OPEN_REQUESTS = select(func.count()).where(
    runs.c.requester_human == bindparam("human"),
    runs.c.final.is_(False),
    runs.c.purpose.in_(BESIDE) == bindparam("beside", type_=Boolean),
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
    """Holds the event of a new run, and what it needs besides."""

    event: Event
    locks: tuple[str, ...]
    channel: str | None  # where its card goes; None: it has none


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
        self._number = None
        return await self._open(run_id, opening)

    async def open_backup(self, event: Event) -> Run:
        """A backup that the clock takes: it has a number of its own, takes no lock, and has no card."""
        number = await self.connection.scalar(_NEXT_BACKUP)
        return await self._open(f"{BACKUP}{number}", Opening(event, (), None))

    async def _open(self, run_id: str, opening: Opening) -> Run:
        requested = self._sealed(run_id, 1, "", opening.event)
        run = machine.begin(run_id, requested)
        projection = {**moving_columns(run), "epoch": 0, "shown_seq": 0}
        await self.connection.execute(insert(runs), {"run_id": run_id, **projection, **fixed_columns(run)})
        await self._lock(run_id, opening.locks)
        await self._write_events(run, (requested,))
        if opening.channel is not None:
            kind, at = cards.CardKind.CARD, opening.event.at
            await cards.want(self.connection, run_id, kind, opening.channel, at)
        await self._send_to_workers(run)
        return run

    async def next_id(self) -> str:
        """Returns the id of the run that this transaction opens next."""
        if self._number is None:
            self._number = await self.connection.scalar(_NEXT_NUMBER)
        return f"{RUN}{self._number}"

    async def open_requests_of(self, human: str, *, beside: bool = False) -> int:
        """Counts those of its kind only: a copy beside that waits stands in no rollback's way.

        Ask after `next_id`: its row lets one opener at a time through, so nobody counts too few.
        """
        asked = {"human": human, "beside": beside}
        return int(await self.connection.scalar(OPEN_REQUESTS, asked) or 0)

    async def drop_older_copies(self, target: str, at: datetime) -> None:
        """Copies of drills that failed are kept for a look, one of a target: the disk is not theirs alone."""
        for drill in await drills_of(self.connection, target):
            for record in droppable(drill):
                if not record.due:
                    await self.append(drill, (Event(DropDue(record.step.n), at),))

    async def _lock(self, run_id: str, targets: Sequence[str]) -> None:
        for target in targets:
            while not await insert_if_new(
                self.connection, target_locks, {"target": target, "run_id": run_id}
            ):
                holder = await self.connection.scalar(OPEN_RUN, {"target": target})
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
            if moved.is_drill or moved.is_rehearsal:
                await settle(self.connection, moved)
            if moved.is_backup:
                await settle_backup(self.connection, moved)
        if is_backup_gone(moved):
            await forget_shown(self.connection, moved)
        if moved.end.lessons_seq != run.end.lessons_seq:
            await follow_up(self.connection, moved)
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
        """Marks what the run before brought to these targets as not live any more: its card says so, too."""
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


def from_stored(at: datetime) -> datetime:
    """Cut to what the tables keep, so that a run folded in memory equals one loaded again."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
