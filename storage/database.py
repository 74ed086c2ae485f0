"""One database of either kind: read it, change it, bring it up to date. Knows no table but the version's.

How each kind keeps its promises stands in `storage.sqlite` and `storage.postgres`; the promises in
`storage.writing`.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Update, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.clock import Clock
from bot.errors import PermanentError
from bot.spelling import listed
from storage import evidence, sqlite
from storage.writing import CommitUnknown, DatabaseWork, DiskFailed, NotAccepted, TransactionEnd, Writer, lent

__all__ = [
    "HEAD",
    "CommitUnknown",
    "Database",
    "DiskFailed",
    "LockFile",
    "Locked",
    "NewerDatabase",
    "NotAccepted",
    "file_of",
    "offset",
    "open_database",
    "revision",
    "settle",
    "sqlite_url",
    "upgrade",
    "why_not_current",
    "why_not_upgrade",
]

T = TypeVar("T")
HEAD = "0009"  # the newest revision in migrations/versions
SHOWN = 10  # runs that are named
PINS_PLANS = "0004"  # the revision from which on plans pin contents; no run under one of before may start
ENDING = TransactionEnd(evidence.write_owed, evidence.forget_owed)


class Locked(Exception):
    """Another process serves from this state folder."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} serves from this state folder already")
        self.pid = pid


class NewerDatabase(PermanentError):
    """A later version of this program has upgraded the database."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database is of a newer version ({found}, this program knows {HEAD}). Use the newer program."
        )


@dataclass(frozen=True, slots=True)
class Database:
    """Use `write` to change anything, `read` for everything else."""

    url: str
    writer: Writer
    readers: AsyncEngine
    read_within: float | None  # seconds; None: a file answers or fails

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.readers.dialect.name

    @property
    def broken(self) -> asyncio.Event:
        """Set when the disk under our own file has failed: whoever serves from it has to stop."""
        return self.writer.broken

    async def write(self, work: DatabaseWork[T], within: float | None = None) -> T:
        """All of `work` or nothing; see `storage.writing.Writer`. Raises NotAccepted, CommitUnknown."""
        return await self.writer.write(work, within)

    async def changes_one(self, statement: Update, values: Mapping[str, Any] | None = None) -> bool:
        """Returns whether the statement found its row: no row, somebody else was quicker."""
        done = await self.write(lambda connection: connection.execute(statement, values))
        return bool(done.rowcount == 1)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Each statement sees what is stored at its moment. Raises TimeoutError."""
        async with asyncio.timeout(self.read_within), lent(self.readers) as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """All statements see one moment, however long they take."""
        async with lent(self.readers) as connection:
            if self.kind == "sqlite":
                await connection.exec_driver_sql("BEGIN")
            else:
                connection = await connection.execution_options(isolation_level="REPEATABLE READ")
                await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield connection

    async def close(self) -> None:
        await self.writer.close()
        await self.readers.dispose()


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def open_database(url: str) -> Database:
    """Opens lazily; nothing is read before the first query. Raises ArgumentError, ModuleNotFoundError."""
    match make_url(url).drivername:
        case "sqlite+aiosqlite":
            writing, readers = sqlite.engines(url)
            return Database(url, Writer(writing, sqlite.BEHAVIOUR, ENDING), readers, None)
        case "postgresql+psycopg":
            from storage import postgres  # of an extra that a file does not need

            writing, readers = postgres.engines(url)
            return Database(
                url, Writer(writing, postgres.BEHAVIOUR, ENDING), readers, postgres.ROWS_READ_WITHIN_SECONDS
            )
        case other:
            raise ArgumentError(f"{other} is no database that this program can use")


async def offset(database: Database, wall: Clock) -> float:
    """Seconds that the clock of the database's machine is ahead of `wall`."""
    if database.kind == "sqlite":
        return 0.0
    async with database.read() as connection:
        before = wall()
        there = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        after = wall()
    return float((there - before - (after - before) / 2).total_seconds())


async def revision(database: Database) -> str | None:
    """The schema revision; None: nothing is there yet."""
    async with database.read() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        return (await connection.execute(text("select version_num from alembic_version"))).scalar()


async def why_not_upgrade(database: Database, may_end_runs: bool) -> str | None:
    """Returns which runs an upgrade would end, as one sentence; None: it ends none, or may do so."""
    found = await revision(database)
    if may_end_runs or found is None or found >= PINS_PLANS:
        return None
    waiting = text("select run_id from runs where state in ('awaiting_approval', 'approved') order by number")
    async with database.read() as connection:
        ids = list((await connection.execute(waiting)).scalars())
    if not ids:
        return None
    many = "1 run waits" if len(ids) == 1 else f"{len(ids)} runs wait"
    return (
        f"{many} under plans of the version before, which pin no contents: {listed(ids[:SHOWN])} "
        "would end void, and people ask again. Say --yes to upgrade all the same, or let them end first."
    )


async def why_not_current(database: Database) -> str | None:
    """One sentence; None: it is what this program was written for."""
    found = await revision(database)
    if found == HEAD:
        return None
    if found is not None and found > HEAD:
        return str(NewerDatabase(found))
    return (
        f"The database's schema is {found or 'empty'}, this program needs {HEAD}. "
        "Run `rollback-bot db upgrade`."
    )


async def settle(database: Database) -> None:
    """Before the first change after a crash: its disk may have failed without anybody having noticed.

    What stands in a file's log is written once more, into the file. Raises DiskFailed.
    """
    path = file_of(database.url)
    if path is not None and path.exists():
        await asyncio.to_thread(sqlite.settle, path)


async def upgrade(database: Database) -> None:
    """Brings the schema to HEAD. Raises NewerDatabase.

    An SQLite file that holds something is copied aside first. On PostgreSQL the second of two at once waits.
    """
    found = await revision(database)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise NewerDatabase(found)
    path = file_of(database.url)
    if found is not None and path is not None:
        await asyncio.to_thread(sqlite.copy, path, path.with_suffix(f".before-{HEAD}.db"))
    await asyncio.to_thread(_run_alembic, database.url)


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
