"""One database: a writer and readers, its upgrade, its lock file. Knows no table but the version's.

SQLite: a writer engine with one connection and BEGIN IMMEDIATE, because the default deferred
transactions lose concurrent read-then-writes; readers that cannot write; WAL; synchronous=FULL, so
that a commit outlives a power cut. Statements run where they are asked for, commits in a thread.
"""

import asyncio
import fcntl
import os
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

T = TypeVar("T")
Work: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]
HEAD = "0001"  # the newest revision in migrations/versions
BUSY = 2.5  # seconds; a command is answered within Slack's 3 s, so nobody waits longer for another process
BUSY_AGAIN = 0.005  # seconds
READERS = 4  # at most; one is enough but for the moment in which it is opened
TOGETHER_AT_MOST = 16  # changes in one transaction: the first of them waits for the last


class Locked(Exception):
    """Another process serves from this state folder."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} serves from this state folder already")
        self.pid = pid


class Writer:
    """SQLite's one writer. What waits for it shares a transaction, and so the wait for the disk."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[tuple[Work[Any], asyncio.Future[Any]]] = deque()
        self._writing: asyncio.Task[None] | None = None  # None: nothing waits

    async def write(self, work: Work[T]) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        return await asyncio.shield(done)

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), TOGETHER_AT_MOST)
                await self._write_together([self._waiting.popleft() for _ in range(count)])
        finally:
            self._writing = None

    async def _write_together(self, jobs: Sequence[tuple[Work[Any], asyncio.Future[Any]]]) -> None:
        try:
            async with _lent(self._engine) as connection, connection.begin():
                if len(jobs) == 1:
                    answers = [await jobs[0][0](connection)]
                else:
                    answers = [await _apart(connection, work) for work, _ in jobs]
        except Exception as problem:  # noqa: BLE001 - nothing of it was written, and each is told
            answers = [problem] * len(jobs)
        for (_, done), answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Exception):
                done.set_exception(answer)
            else:
                done.set_result(answer)

    async def close(self) -> None:
        await self._engine.dispose()


@asynccontextmanager
async def _lent(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Unlike `async with engine.connect()`, which gives it back a moment later, in a task of its own."""
    connection = await engine.connect()
    try:
        yield connection
    finally:
        await connection.close()


async def _apart(connection: AsyncConnection, work: Work[T]) -> T | Exception:
    """In a savepoint: what goes wrong here undoes this alone. Raises when it undid everything."""
    try:
        async with connection.begin_nested():
            return await work(connection)
    except Exception as problem:
        if not await _in_transaction(connection):
            raise  # of a full disk, say: SQLite has taken back the others' changes too, so all are told
        return problem


async def _in_transaction(connection: AsyncConnection) -> bool:
    raw = await connection.get_raw_connection()
    return raw.driver_connection is not None and bool(raw.driver_connection.in_transaction)


@dataclass(frozen=True, slots=True)
class Database:
    """Use `write` to change anything, `read` for everything else."""

    url: str
    writer: Writer
    readers: AsyncEngine

    async def write(self, work: Work[T]) -> T:
        """All of `work` or nothing. Cancelling the caller does not leave it half known: it is done anyway."""
        return await self.writer.write(work)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with _lent(self.readers) as connection:
            yield connection

    async def close(self) -> None:
        await self.writer.close()
        await self.readers.dispose()


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def open_database(url: str) -> Database:
    """Opens lazily; nothing is read before the first query."""
    how = {"async_creator_fn": _in_place, "check_same_thread": False, "timeout": 0}
    writer = create_async_engine(url, poolclass=StaticPool, connect_args=how)
    readers = create_async_engine(url, pool_size=1, max_overflow=READERS - 1, connect_args=how)
    event.listen(writer.sync_engine, "connect", _prepare_writer)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    event.listen(readers.sync_engine, "connect", _prepare_reader)
    return Database(url, Writer(writer), readers)


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


async def revision(database: Database) -> str | None:
    """The schema revision of the file; None: a new file."""
    async with database.read() as connection:
        try:
            return (await connection.execute(text("select version_num from alembic_version"))).scalar()
        except OperationalError:
            return None


async def upgrade(database: Database) -> None:
    """Brings the schema to HEAD; an SQLite file that holds something is copied aside first."""
    found = await revision(database)
    if found == HEAD:
        return
    path = file_of(database.url)
    if found is not None and path is not None:
        await asyncio.to_thread(_copy, path, path.with_suffix(f".before-{HEAD}.db"))
    await asyncio.to_thread(_run_alembic, database.url)


def _copy(path: Path, aside: Path) -> None:
    """By SQLite itself: a copy of the file alone would lack what stands only in the write-ahead log."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(aside)) as copy:
        source.backup(copy)


def _run_alembic(url: str) -> None:
    from alembic import command  # not at the top: 60 ms of import that most starts do not need
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("+aiosqlite", "").replace("%", "%%"))
    command.upgrade(config, "head")


def file_of(url: str) -> Path | None:
    """The file of an SQLite URL; None for a server."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.drivername.startswith("sqlite") and parsed.database else None


class LockFile:
    """Held by `serve` for as long as it lives; a second one learns the pid of the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Raises Locked."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = int(os.read(fd, 32) or b"0")
            os.close(fd)
            raise Locked(pid) from None
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
