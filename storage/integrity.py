"""Whether a database may be trusted: asked at every start, before anything is driven. Repairs nothing.

A byte that changed on the disk is found in one of two ways. After a clean stop the file has to be, byte for
byte, the one that `seal` saw. After a crash there is no such seal, and everything is held against everything:
the database's own check, the chain of evidence, each event against its evidence, each run against the fold of
its events. That cannot see into what nothing is decided from: cards, modals, looks, deliveries, leases, a
run's epoch and progress, the time when the installation was made. Above FULLY_UP_TO_ENTRIES it looks at what
came since it last looked and at the open runs only; a backup always looks at everything.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json  # half the time of the standard library's
from sqlalchemy import Row, Select, Text, cast, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import canonical_text, iso
from bot.errors import TemporaryError
from bot.event_kinds import EventKind
from bot.model import Purpose, State
from bot.run import Run
from storage.database import HEAD, Database, file_of, revision
from storage.event_rows import event_in
from storage.evidence import FIRST_PREV, ROWS_AT_ONCE, first_break
from storage.projection import fixed_columns, moving_columns
from storage.sealing import Seal, digest_of, read_seal
from storage.tables import (
    evidence,
    evidence_head,
    holds,
    installation,
    metadata,
    run_events,
    runs,
    target_locks,
)
from storage.times import loaded

RESTORED = "database_restored"  # kinds of evidence, of `storage.restored`; no event of a run has them
CONFIRMED = "database_confirmed"
FULLY_UP_TO_ENTRIES = 20_000  # about 1.5 s after a crash, and some years of one bot's life
SQLITE_CHECK = "pragma integrity_check(1)"
NOT_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


class Unsound(TemporaryError):
    """The database is damaged, or not ours: nothing is done with it."""


async def why_not_sound(database: Database) -> str | None:
    """One sentence with what to do; None: it is sound, or new.

    Raises DBAPIError when it cannot be reached.
    """
    path = file_of(database.url)
    if path is not None and (not path.exists() or not path.stat().st_size):
        return None
    damage = await damage_of(database)
    if damage is None:
        return None
    named = path or "of the bot"
    return f"The database {named} is damaged: {damage}. It is not used. {_advice(path)}"


async def damage_of(database: Database, *, fully_up_to: int | None = FULLY_UP_TO_ENTRIES) -> str | None:
    """Says what is wrong, in half a sentence; None: nothing. `fully_up_to` entries; None: all that there are.

    Raises DBAPIError when it cannot be reached.
    """
    path = file_of(database.url)
    try:
        return await _damage(database, path, fully_up_to)
    except DBAPIError as problem:
        if path is None or _code(problem) in NOT_DAMAGE:
            raise
        return f"it cannot be read ({problem.orig})"
    except (ValueError, TypeError, KeyError) as problem:  # a time, a number or JSON that is none any more
        return f"it holds what was never written ({problem})"


def _advice(path: Path | None) -> str:
    if path is None:
        return "Put a backup in its place with pg_restore, then run `rollback-bot db restored`."
    return "Put a backup in its place with `rollback-bot db restore FILE`; this file is kept aside then."


def _code(problem: DBAPIError) -> int:
    """SQLite's primary result code; 0: the driver itself refused, as it does what is no text."""
    return getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF


async def _damage(database: Database, path: Path | None, fully_up_to: int | None) -> str | None:
    seal = None if path is None else read_seal(path)
    if path is None or seal is None or seal.file is None:
        return await _looked_through(database, path, seal, fully_up_to)
    if await asyncio.to_thread(digest_of, path) == seal.file:
        return None
    if damage := await _looked_through(database, path, seal, fully_up_to):
        return damage
    return None if await _has_grown(database, seal) else "it is not the file that `serve` left behind"


async def _has_grown(database: Database, seal: Seal) -> bool:
    """Whether something was written after the seal, so that its file has to be another one."""
    async with database.read() as connection:
        return int(await connection.scalar(select(evidence_head.c.n)) or 0) > seal.n


async def _looked_through(
    database: Database, path: Path | None, seal: Seal | None, fully_up_to: int | None
) -> str | None:
    """Reports first what the database says of itself, but the rest does not wait for that."""
    of_file = asyncio.to_thread(_sqlite_says, path)
    of_rows = _held_together(database, path, seal, fully_up_to)
    for found in await asyncio.gather(of_file, of_rows, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            return found
    return None


async def _held_together(
    database: Database, path: Path | None, seal: Seal | None, fully_up_to: int | None
) -> str | None:
    async with database.snapshot() as connection:
        found = await revision(database)
        if found is None:
            return None if path is None else await _without_version(connection)
        count = int(await connection.scalar(select(func.max(evidence.c.n))) or 0)
        fully = fully_up_to is None or count <= fully_up_to
        known = seal or await _trusted(connection, 0 if fully_up_to is None else max(0, count - fully_up_to))
        if damage := await _broken_chain(connection, known, fully):
            return damage
        return None if found != HEAD else await _differs(connection, only_open=not fully)


def _sqlite_says(path: Path | None) -> str | None:
    """Raises OperationalError when it cannot be read."""
    if path is None:
        return None
    try:
        with closing(sqlite3.connect(path)) as connection:
            said = connection.execute(SQLITE_CHECK).fetchone()[0]
    except sqlite3.DatabaseError as problem:
        raise OperationalError(SQLITE_CHECK, None, problem) from problem
    return None if said == "ok" else " ".join(str(said).split())


async def _without_version(connection: AsyncConnection) -> str | None:
    """A file that is only just being made has no tables at all."""
    tables = await connection.scalar(text("select count(*) from sqlite_master"))
    return "it names no version, so it is no database of this program" if tables else None


async def _trusted(connection: AsyncConnection, n: int) -> Seal:
    """Without a seal this old entry is believed: from there on everything has to follow. 0: none is."""
    found = await connection.scalar(select(evidence.c.hash).where(evidence.c.n == n))
    return Seal(n, FIRST_PREV if n == 0 else str(found), None)


async def _broken_chain(connection: AsyncConnection, known: Seal, fully: bool) -> str | None:
    """From the first entry, or only from the one that is known: that one has to be there in any case."""
    broken = await first_break(connection, known.n, known.hash)
    if broken is None and fully:
        broken = await first_break(connection)
    return None if broken is None else f"entry {broken} of its evidence does not follow from the one before"


# Runs against their events, events against their evidence ------------------------------------------


async def _differs(connection: AsyncConnection, *, only_open: bool) -> str | None:
    """Three lists in one order: what happened, the proof of it, and where it has led."""
    events, proofs, rows = _of_runs(only_open)
    follows = _Follows()
    async with (
        aclosing(_by_run(connection, events)) as told,
        aclosing(_by_run(connection, proofs)) as proven,
        aclosing(_by_run(connection, rows)) as projected,
    ):
        while True:
            three = [await anext(listed, []) for listed in (told, proven, projected)]
            if not any(three):
                break
            if damage := _one_differs(three, follows):
                return damage
    damage = await _locks_differ(connection, follows) or await _installation_differs(connection)
    if damage is None and not only_open:
        damage = await _holds_differ(connection, follows) or await _beside_is_unreadable(connection)
    return damage


def _one_differs(three: Sequence[list[Row[Any]]], follows: "_Follows") -> str | None:
    named = sorted({group[0].run_id for group in three if group})
    if len(named) > 1 or not all(three):
        return f"{named[0]} is not complete"
    events, proofs, (row,) = three
    data = [from_json(event.data) for event in events]
    if damage := _unproven(events, data, proofs):
        return damage
    run = machine.fold(row.run_id, map(event_in, events, data))
    follows.from_run(run)
    return _misprojected(run, row)


def _of_runs(only_open: bool) -> tuple[Select[Any], Select[Any], Select[Any]]:
    as_text = [cast(each, Text) if each is run_events.c.data else each for each in run_events.c]
    events = select(*as_text).order_by(run_events.c.run_id, run_events.c.seq)
    proofs = select(evidence).where(evidence.c.run_id.is_not(None)).order_by(evidence.c.run_id, evidence.c.n)
    rows = select(runs).order_by(runs.c.run_id)
    if not only_open:
        return events, proofs, rows
    still_open = select(runs.c.run_id).where(runs.c.final.is_(False)).scalar_subquery()
    return (
        events.where(run_events.c.run_id.in_(still_open)),
        proofs.where(evidence.c.run_id.in_(still_open)),
        rows.where(runs.c.final.is_(False)),
    )


async def _by_run(connection: AsyncConnection, query: Select[Any]) -> AsyncGenerator[list[Row[Any]], None]:
    group: list[Row[Any]] = []
    rows = await connection.stream(query)
    try:
        while part := await rows.fetchmany(ROWS_AT_ONCE):
            for row in part:
                if group and row.run_id != group[0].run_id:
                    yield group
                    group = []
                group.append(row)
        if group:
            yield group
    finally:
        await rows.close()


def _unproven(
    events: Sequence[Row[Any]], told: Sequence[Mapping[str, Any]], proofs: Sequence[Row[Any]]
) -> str | None:
    """The log holds refusals too: those have no seq. `told`: the data of each event, read."""
    rest = iter(proofs)
    for seq, (event, data) in enumerate(zip(events, told, strict=True), start=1):
        if event.seq != seq or not _is_next(rest, event, data):
            return f"event {seq} of {event.run_id} is not what its evidence says"
    lacks = any("seq" in from_json(proof.body) for proof in rest)
    return f"{events[0].run_id} lacks events that its evidence has" if lacks else None


def _is_next(proofs: Iterator[Row[Any]], event: Row[Any], data: Mapping[str, Any]) -> bool:
    """Reads on to the next event. What was written in one form is compared as text: that is most of it."""
    for proof in proofs:
        if proof.body == _as_proven(event, proof.n):
            return True
        body = from_json(proof.body)
        if "seq" in body:
            said = {name: getattr(event, name) for name in ("seq", "at", "kind", "by", "signature")}
            return bool(body.items() >= {**said, "data": data}.items())
    return False


def _as_proven(event: Row[Any], n: int) -> str:
    """Returns the canonical body of an event's evidence, of an event whose data are stored so as well."""
    told = (event.at, event.by, event.kind, event.run_id, event.signature)
    at, by, kind, run_id, signature = map(canonical_text, told)
    return (
        f'{{"at":{at},"by":{by},"data":{event.data},"kind":{kind},"n":{n},'
        f'"run":{run_id},"seq":{event.seq},"signature":{signature}}}'
    )


def _misprojected(run: Run, row: Row[Any]) -> str | None:
    stored = {**moving_columns(run), **fixed_columns(run), "run_id": run.id}
    differs = [name for name, value in stored.items() if getattr(row, name) != value]
    if row.shown_seq > row.seq:
        differs.append("shown_seq")
    return f"{run.id} is not stored as its events say ({', '.join(differs)})" if differs else None


@dataclass(frozen=True, slots=True)
class _Follows:
    """Holds what has to stand in other tables because of the runs."""

    locks: set[tuple[str, str]] = field(default_factory=set)  # open run, its own target
    held: set[tuple[str, str, str, str]] = field(default_factory=set)  # run, target, point, since
    lifted: set[tuple[str, str]] = field(default_factory=set)  # run, when

    def from_run(self, run: Run) -> None:
        if run.is_beside:  # it takes nothing from anybody, and leaves nothing live
            return
        if not run.state.final:
            self.locks.add((run.id, run.request.target))
        if run.is_rehearsal:  # it holds nothing
            return
        if run.state is not State.SUCCEEDED or run.approval.planned is None or run.end.at is None:
            return
        if run.request.purpose is Purpose.UNDO and run.request.undo_of:
            self.lifted.add((run.request.undo_of, iso(run.end.at)))
        else:
            self.held.update(
                (run.id, leg.target, leg.current.id, iso(run.end.at)) for leg in run.approval.plan.legs
            )


async def _locks_differ(connection: AsyncConnection, follows: _Follows) -> str | None:
    """Every open run has its target, and nobody else has any; it may have more than its own."""
    taken = {(row.run_id, row.target) for row in await connection.execute(select(target_locks))}
    for run_id, target in follows.locks - taken:
        return f"{run_id} is open, but has not taken `{target}`"
    still_open = {run_id for run_id, _ in follows.locks}
    for run_id, target in taken:
        if run_id not in still_open:
            return f"`{target}` is taken by {run_id}, which is not open"
    return None


async def _holds_differ(connection: AsyncConnection, follows: _Follows) -> str | None:
    for row in await connection.execute(select(holds)):
        if (row.run_id, row.target, row.point, row.placed_at) not in follows.held:
            return f"the hold of {row.run_id} on `{row.target}` is not what its run says"
        if row.lifted_at is not None and (row.run_id, row.lifted_at) not in follows.lifted:
            return f"the hold of {row.run_id} on `{row.target}` was lifted by nobody"
    return None


async def _installation_differs(connection: AsyncConnection) -> str | None:
    """Its name is part of every op id, and what a restore has said of it stands in the log."""
    found = (await connection.execute(select(installation))).one_or_none()
    if found is None:
        return None  # made by the first opening
    loaded(found.made_at)  # raises ValueError where it is no time
    restored = await _newest(connection, RESTORED)
    confirmed = await _newest(connection, CONFIRMED)
    waits = restored is not None and (confirmed is None or confirmed["n"] < restored["n"])
    since = (restored["at"], restored["since"]) if restored is not None and waits else (None, None)
    if (found.restored_at, found.restored_from) != since:
        return "whether it was put back from a backup is not what its evidence says"
    if restored is not None and found.id != restored["installation"]:
        return "the name of the installation is not what its evidence says"
    begun = await _newest(connection, EventKind.STEP_STARTED.value)
    if restored is None and begun is not None and not begun["data"].get("op", found.id).startswith(found.id):
        return "the name of the installation is not the one in its operations"
    newest = await connection.scalar(select(func.max(runs.c.number))) or 0
    return f"it has {newest} runs, but counted {found.runs}" if found.runs < newest else None


async def _newest(connection: AsyncConnection, kind: str) -> dict[str, Any] | None:
    newest = select(evidence.c.body).where(evidence.c.kind == kind).order_by(evidence.c.n.desc()).limit(1)
    body = await connection.scalar(newest)
    return None if body is None else dict(json.loads(body))


async def _beside_is_unreadable(connection: AsyncConnection) -> str | None:
    """Checks that what nothing is decided from can be read. Raises DBAPIError, ValueError: it cannot."""
    for table in metadata.sorted_tables:
        if table not in {evidence, run_events, runs}:
            (await connection.execute(select(table))).all()
    return None
