"""An SQLite file: one writer, readers that cannot write, and commits that outlive a power cut.

BEGIN IMMEDIATE, because the default deferred transactions lose concurrent read-then-writes; WAL;
synchronous=FULL. Statements run where they are asked for, commits in a thread.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from storage.writing import QUEUED_AT_MOST, CommitUnknown, Job, NotAccepted, Work, lent

T = TypeVar("T")
BUSY = 2.5  # seconds; a command is answered within Slack's 3 s, so nobody waits longer for another process
BUSY_AGAIN = 0.005  # seconds
READERS = 4  # at most; one is enough but for the moment in which it is opened
TOGETHER_AT_MOST = 16  # changes in one transaction: the first of them waits for the last
UNUSABLE = {  # what keeps a whole file from being written, by SQLite's primary code
    sqlite3.SQLITE_BUSY: "Another process writes to the database.",
    sqlite3.SQLITE_FULL: "The disk of the database is full.",
    sqlite3.SQLITE_IOERR: "The disk of the database does not work.",
    sqlite3.SQLITE_READONLY: "The database cannot be written to.",
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened.",
}


class _GivenUp(Exception):
    """Somebody in this transaction was told that nothing will come of it."""


class Writer:
    """The one writer. What waits for it shares a transaction, and so the wait for the disk."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[Job[Any]] = deque()
        self._writing: asyncio.Task[None] | None = None  # None: nothing waits

    async def write(self, work: Work[T], within: float | None) -> T:
        if len(self._waiting) >= QUEUED_AT_MOST:
            raise NotAccepted("Too much waits to be stored.")
        job = Job(work)
        self._waiting.append(job)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return await job.answer(within)

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), TOGETHER_AT_MOST)
                jobs = [self._waiting.popleft() for _ in range(count)]
                await self._write_together([job for job in jobs if not job.given_up])
        finally:
            self._writing = None

    async def _write_together(self, jobs: Sequence[Job[Any]]) -> None:
        answers: Sequence[Any]
        try:
            async with lent(self._engine) as connection, connection.begin():
                if len(jobs) == 1:
                    answers = [await jobs[0].work(connection)]
                else:
                    answers = [await _apart(connection, job.work) for job in jobs]
                _commit_begins(jobs)
        except _GivenUp:
            self._waiting.extendleft(reversed(jobs))  # the others once more, without it
            return
        except Exception as problem:  # noqa: BLE001 - nothing of it was written, and each is told
            answers = [problem] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            job.end(_in_our_words(answer, job.committing) if isinstance(answer, DBAPIError) else answer)

    async def close(self) -> None:
        await self._engine.dispose()


def _commit_begins(jobs: Sequence[Job[Any]]) -> None:
    if any(job.given_up for job in jobs):
        raise _GivenUp
    for job in jobs:
        job.committing = True


def _in_our_words(problem: DBAPIError, committing: bool) -> Exception:
    """What failed while it wrote the log may be found whole in it after a crash; the rest is not there."""
    code = getattr(problem.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code not in UNUSABLE:
        return problem
    answer: Exception = NotAccepted(UNUSABLE[code])
    if committing and code == sqlite3.SQLITE_IOERR:
        answer = CommitUnknown()
    answer.__cause__ = problem
    return answer


async def _apart(connection: AsyncConnection, work: Work[T]) -> T | Exception:
    """In a savepoint: what goes wrong here undoes this alone. Raises when it undid everything."""
    problem: Exception | None = None
    try:
        async with connection.begin_nested():
            try:
                return await work(connection)
            except Exception as why:
                problem = why
                raise
    except Exception as why:  # noqa: BLE001 - whoever waits is told
        problem = problem or why  # the first: that a savepoint is gone as well says nothing
        if not await _in_transaction(connection):
            raise problem from None  # of a full disk, say: the others' changes are gone too, so all are told
        return problem


async def _in_transaction(connection: AsyncConnection) -> bool:
    raw = await connection.get_raw_connection()
    return raw.driver_connection is not None and bool(raw.driver_connection.in_transaction)


def engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """The writer's and the readers'."""
    how = {"async_creator_fn": _in_place, "check_same_thread": False, "timeout": 0}
    writer = create_async_engine(url, poolclass=StaticPool, connect_args=how)
    readers = create_async_engine(url, pool_size=1, max_overflow=READERS - 1, connect_args=how)
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
        until = time.monotonic() + BUSY
        while True:
            try:
                return fn(*args, **kwargs)
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            await asyncio.sleep(BUSY_AGAIN)  # another process writes: whoever does not need it goes on


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


def copy(path: Path, aside: Path) -> None:
    """By SQLite itself: a copy of the file alone would lack what stands only in the write-ahead log."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(aside)) as target:
        source.backup(target)
