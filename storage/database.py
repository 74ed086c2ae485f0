"""One database: a writer and readers, its upgrade, its lock file. Knows no table but the version's.

SQLite: a writer engine with one connection and BEGIN IMMEDIATE, because the default deferred
transactions lose concurrent read-then-writes; readers that cannot write; WAL; synchronous=FULL, so
that a commit outlives a power cut.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

T = TypeVar("T")
HEAD = "0001"  # the newest revision in migrations/versions
BUSY_MS = 2_500  # a command is answered within Slack's 3 s, so a writer waits no longer


class Locked(Exception):
    """Another process serves from this state folder."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} serves from this state folder already")
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Database:
    """Use `write` to change anything, `read` for everything else."""

    url: str
    writer: AsyncEngine
    readers: AsyncEngine
    turn: asyncio.Lock  # SQLite has one writer connection: one transaction at a time

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """One transaction around `work`, shielded: cancelling the caller does not leave it half known."""
        return await asyncio.shield(asyncio.ensure_future(self._write(work)))

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self.turn, self.writer.begin() as connection:
            return await work(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self.readers.connect() as connection:
            yield connection

    async def close(self) -> None:
        await self.writer.dispose()
        await self.readers.dispose()


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def open_database(url: str) -> Database:
    """Opens lazily; nothing is read before the first query."""
    writer = create_async_engine(url, poolclass=StaticPool, connect_args={"timeout": BUSY_MS / 1000})
    readers = create_async_engine(url, pool_size=4, max_overflow=4)
    event.listen(writer.sync_engine, "connect", _prepare_writer)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    event.listen(readers.sync_engine, "connect", _prepare_reader)
    return Database(url, writer, readers, asyncio.Lock())


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
