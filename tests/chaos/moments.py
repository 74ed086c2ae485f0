"""The moments at which the bot under test may be killed, and their names: `<what>:<moment>`.

Nothing of this is in the product: the database, Slack and the backends that it is given report to `Moments`.
A transaction is named by what it writes, so the moment before it has no name yet; the census, the same life
without a kill, gives it the name of what followed.
"""

import mmap
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import Delete, Insert, Update

from storage.database import Database

T = TypeVar("T")
LONGEST_TRAIL = 1 << 20  # bytes
BEFORE = "a transaction:before"
DOING: ContextVar[str] = ContextVar("DOING", default="")  # heard from whom; empty: the bot's own work
WRITTEN = "written"  # under this key of a connection: what its transaction has written so far

# What a change without events is about, by the table and a column that it sets; the first that fits.
ABOUT: Mapping[tuple[str, str], str] = {
    ("runs", "requester"): "run opened",
    ("runs", "state"): "run moved",
    ("runs", "epoch"): "claim taken",
    ("runs", "lease_until"): "claim kept or released",
    ("runs", "shown_seq"): "outbox drained",
    ("runs", "progress"): "progress",
    ("cards", "made_at"): "card queued",
    ("cards", "gone"): "card given up",
    ("cards", "ts"): "card placed",
    ("cards", "tried_at"): "card tried",
    ("cards", "drawn"): "card redrawn",
    ("deliveries", "key"): "deduplicated",
    ("evidence", "hash"): "evidence",
    ("evidence_head", "hash"): "head moved",
    ("target_locks", "target"): "target locked",
}


class Trail:
    """The moments of one life, in memory that outlives it."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, LONGEST_TRAIL)

    def add(self, name: str) -> None:
        """Raises ValueError when a life is longer than any that we know."""
        self._shared.write(name.encode() + b"\n")

    def read(self) -> list[str]:
        return self._shared[:].rstrip(b"\0").decode().splitlines()

    def close(self) -> None:
        self._shared.close()


@dataclass(slots=True)
class Moments:
    """Counts the moments of one life, and ends it at one of them."""

    trail: Trail
    kill_at: int | None  # counted from 1; None: never
    count: int = 0

    def reach(self, name: str) -> None:
        self.count += 1
        doing = DOING.get()
        self.trail.add(f"{doing} › {name}" if doing else name)
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class WatchedDatabase(Database):
    """The database of the product, with a moment at each boundary of a transaction."""

    moments: Moments = field(kw_only=True)
    busy: Callable[[], AbstractContextManager[None]] = field(kw_only=True)  # time stands still meanwhile

    async def write(self, work: Callable[[AsyncConnection], Any], *given: Any, **more: Any) -> Any:
        written: list[str] = []
        doing = DOING.get()

        async def watched(connection: AsyncConnection) -> Any:
            nonlocal written
            DOING.set(doing)  # several changes share a transaction, in a task of none of them
            assert connection.sync_connection is not None
            written = connection.sync_connection.info[WRITTEN]
            return await work(connection)

        self.moments.reach(BEFORE)
        with self.busy():
            answer = await Database.write(self, watched, *given, **more)
        self.moments.reach(f"{_name(written)}:after commit")
        return answer

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with self.busy():
            async with Database.read(self) as connection:
                yield connection


def watch(database: Database, moments: Moments, busy: Callable[[], AbstractContextManager[None]]) -> Database:
    """Call it once in a process: it listens to every engine."""

    def begins(connection: Connection) -> None:
        connection.info[WRITTEN] = []  # by all changes that share the transaction

    def executed(connection: Connection, _: object, sql: str, __: object, context: Any, ___: bool) -> None:
        written = connection.info.get(WRITTEN)
        if written is None or not context.compiled:
            return
        if what := _what(context.compiled.statement, sql, context.compiled_parameters):
            written.extend(what)
            moments.reach(f"{_name(written)}:in, after {_table(context.compiled.statement)}")

    def commits(connection: Connection) -> None:
        written = connection.info.pop(WRITTEN, None)
        if written:
            moments.reach(f"{_name(written)}:before commit")

    event.listen(Engine, "begin", begins)
    event.listen(Engine, "after_cursor_execute", executed)
    event.listen(Engine, "commit", commits)
    given = {one.name: getattr(database, one.name) for one in fields(database)}
    return WatchedDatabase(**given, moments=moments, busy=busy)


def _table(statement: Any) -> str:
    return str(statement.table.name)


def _what(statement: Any, sql: str, parameters: list[dict[str, Any]]) -> list[str]:
    """What a statement writes, in the words of the specification. Empty: it only reads."""
    if not isinstance(statement, Insert | Update | Delete):
        return []
    table = _table(statement)
    if isinstance(statement, Delete):
        return [f"{table} freed"]
    if table == "run_events":
        return [f"!{_event(row)}" for row in parameters]
    if table == "evidence":
        return [f"?{row['kind']}" for row in parameters]
    sets = sql.partition(" WHERE ")[0]
    for (one, column), words in ABOUT.items():
        if one == table and (f"{column}=" in sets or (isinstance(statement, Insert) and column in sets)):
            return [words]
    return [table]


def _event(row: Mapping[str, Any]) -> str:
    data = row["data"] if isinstance(row["data"], dict) else {}
    return f"{row['kind']} {data['n']}" if "n" in data else str(row["kind"])


def _name(written: list[str]) -> str:
    """Events give a transaction its name, else notes of the log, else what it touched."""
    for mark in ("!", "?"):
        if found := [one[1:] for one in written if one[0] == mark]:
            return " + ".join(found)
    return " + ".join(dict.fromkeys(written)) or "nothing"


def named(trail: list[str]) -> list[str]:
    """The moments of a census, each `before` called after the transaction that follows it."""
    names = list(trail)
    for at, name in enumerate(names):
        if name.endswith(BEFORE):
            names[at] = name.replace(BEFORE, f"{_following(names[at + 1 :])}:before")
    return names


def _following(rest: list[str]) -> str:
    for name in rest:
        if name.endswith(":after commit"):
            return name.rpartition("› ")[2].removesuffix(":after commit")
    return "nothing"
