"""An SQLite file: one writer, readers that cannot write, and commits that outlive a power cut.

BEGIN IMMEDIATE, because the default deferred transactions lose concurrent read-then-writes; WAL;
synchronous=FULL. Statements run where they are asked for, commits in a thread.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from pydantic_core import from_json  # half the time of the standard library's
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from bot.canonical_json import canonical_text
from storage.writing import CommitUnknown, DatabaseBehaviour, DiskFailed, NotAccepted

T = TypeVar("T")
BUSY_SECONDS = 2.5  # a command is answered within Slack's 3 s, so nobody waits longer for another process
BUSY_AGAIN_AFTER_SECONDS = 0.005
READERS = 4  # at most; one is enough but for the moment in which it is opened
UNUSABLE = {  # what keeps a whole file from being written, by SQLite's primary code
    sqlite3.SQLITE_BUSY: "Another process writes to the database.",
    sqlite3.SQLITE_FULL: "The disk of the database is full.",
    sqlite3.SQLITE_IOERR: "The disk of the database does not work.",
    sqlite3.SQLITE_READONLY: "The database cannot be written to.",
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened.",
}
NOT_DURABLE = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})


def _in_our_words(problem: Exception, committing: bool) -> Exception:
    """Puts it in our words: a failed write of the log may be found whole after a crash; others are not."""
    code = _code(problem) & 0xFF
    if code not in UNUSABLE:
        return problem
    answer: Exception = NotAccepted(UNUSABLE[code])
    if committing and code == sqlite3.SQLITE_IOERR:
        answer = CommitUnknown()
    answer.__cause__ = problem
    return answer


def _code(problem: Exception) -> int:
    """SQLite's extended code; 0: it is not SQLite that has failed."""
    return getattr(problem.orig, "sqlite_errorcode", 0) if isinstance(problem, DBAPIError) else 0


def _is_not_durable(problem: Exception) -> bool:
    """The kernel takes what it could not write for written, so asking it again to do so proves nothing."""
    return _code(problem) in NOT_DURABLE


BEHAVIOUR = DatabaseBehaviour(
    at_once=1,
    at_most=None,
    passes=lambda problem, committing: False,
    in_our_words=_in_our_words,
    breaks=_is_not_durable,
)


def engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """The writer's and the readers'."""
    how = {"async_creator_fn": _in_place, "check_same_thread": False, "timeout": 0}
    json = {"json_serializer": canonical_text, "json_deserializer": from_json}
    writer = create_async_engine(url, poolclass=StaticPool, connect_args=how, **json)
    readers = create_async_engine(url, pool_size=1, max_overflow=READERS - 1, connect_args=how, **json)
    event.listen(writer.sync_engine, "connect", _prepare_writer)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    event.listen(readers.sync_engine, "connect", _prepare_reader)
    return writer, readers


def _in_place(path: str, **how: Any) -> aiosqlite.Connection:
    connection = _InPlace(lambda: sqlite3.connect(path, **how), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy does with connections that it opens itself
    return connection


class _InPlace(aiosqlite.Connection):
    """Leaves to aiosqlite's thread only what waits for the disk.

    aiosqlite sends a statement to its thread and back four times, each time behind everything else that is
    ready to run. Ours find or change a few rows by their key, which is over sooner than one such trip.
    """

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if fn == self._conn.commit:
            done: T = await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
            return done
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return fn(*args, **kwargs)
            except sqlite3.OperationalError as problem:
                if not _is_busy(problem) or time.monotonic() > until:
                    raise
            # Another process writes, or reads the log of one that was killed: who does not need it goes on.
            await asyncio.sleep(BUSY_AGAIN_AFTER_SECONDS)


def _is_busy(problem: sqlite3.Error) -> bool:
    """Without a code Python itself has refused, as it does a text that is none."""
    return getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _prepare_writer(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event says BEGIN, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _prepare_reader(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def settle(path: Path) -> None:
    """Raises DiskFailed. While somebody reads the log stays as it is, and whoever writes next empties it."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR:
                raise
            raise DiskFailed from problem


def copy(path: Path, aside: Path) -> None:
    """Copies by SQLite itself: a copy of the file alone lacks what stands only in the write-ahead log."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(aside)) as target:
        source.backup(target)
