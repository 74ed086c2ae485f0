"""Looks into an SQLite file: read-only, in one consistent view, and never longer than it may take.

SQLite gives up between two steps of its machine when it is told to. A single step cannot be broken off, so
whoever asks is answered when the time is over, and the thread ends when it can.
"""

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Final, TypeVar
from urllib.parse import quote

from backends.sql.answers import MOST_ROWS, Complaint, QueryAnswer, Unseen
from bot.contents import Contents, Rows

LOOK_AT_CLOCK_STEPS: Final = 10_000  # of SQLite's machine between two looks at the deadline
LOCK_SHARE: Final = 0.8  # of the time: so that who is locked out can say so
THREAD: Final = "sql check"
LAST_SECONDS: Final = 0.3  # for a thread to say what it has, once the time is over

# The database could not answer. Every other error is its answer: no such column, malformed, not a database.
NO_ANSWER: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_FULL,
    }
)
HELD: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
FORBIDDEN: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH})
# The query itself is wrong, whatever stands in the database. They share one code with `no such column`.
NO_QUESTION: Final = re.compile(
    r"near .*: syntax error|incomplete input|unrecognized token: .*|no such function: .*"
    r"|wrong number of arguments to function .*|cannot .* within a transaction",
    re.DOTALL,
)

T = TypeVar("T")
Reading = Callable[[sqlite3.Connection], T]


@dataclass(frozen=True, slots=True)
class SqliteFile:
    path: Path
    timeout: float  # seconds for one look

    async def answer(self, query: str) -> QueryAnswer:
        return await self._read(lambda database: _answer(database, query))

    async def contents(self, tables: Sequence[str]) -> Contents:
        return await self._read(lambda database: _contents(database, tables))

    async def _read(self, read: Reading[T]) -> T:
        look = _Look(self.path, self.timeout)
        try:
            return await look.result(read)
        except sqlite3.Error as error:
            raise self._said(error) from None
        except TimeoutError:
            raise Unseen(f"no answer within {self.timeout:g} s") from None
        except ValueError:
            raise Unseen("the query cannot be asked: it holds what is no text") from None

    def _said(self, error: sqlite3.Error) -> Unseen | Complaint:
        """Only the database's own errors carry a code; its low byte is the kind."""
        code = getattr(error, "sqlite_errorcode", None)
        kind = None if code is None else code & 0xFF
        if kind == sqlite3.SQLITE_INTERRUPT:
            return Unseen(f"no answer within {self.timeout:g} s")
        if kind in HELD:
            return Unseen(f"another connection holds it: {error}")
        if kind == sqlite3.SQLITE_CANTOPEN and not self.path.exists():
            return Unseen("the file of the database is not there")
        if code in FORBIDDEN:
            return Unseen(f"the query wants to write, and a check can only read: {error}")
        if kind is None or kind in NO_ANSWER or kind in FORBIDDEN:
            return Unseen(f"{error}")
        if NO_QUESTION.fullmatch(str(error)):
            return Unseen(f"the query cannot be asked: {error}")
        return Complaint(f"{error}")


@dataclass(slots=True)
class _Look:
    """One reading in a thread of its own: one that hangs takes nothing from others."""

    path: Path
    timeout: float
    deadline: float = field(init=False)
    database: sqlite3.Connection | None = None

    def __post_init__(self) -> None:
        self.deadline = monotonic() + self.timeout

    async def result(self, read: Reading[T]) -> T:
        """Raises TimeoutError, and what reading raises."""
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()
        Thread(target=self._run, args=(answer, read), name=THREAD, daemon=True).start()
        waiting = asyncio.wrap_future(answer)
        try:
            if not (await asyncio.wait([waiting], timeout=self.timeout))[0]:
                self._give_up()
                await asyncio.wait([waiting], timeout=LAST_SECONDS)
            if not waiting.done():
                raise TimeoutError
            return waiting.result()
        finally:  # also when nobody wants the answer any more
            self._give_up()
            waiting.cancel()

    def _give_up(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it is closed already
            if self.database is not None:
                self.database.interrupt()

    def _run(self, answer: Future[T], read: Reading[T]) -> None:
        try:
            answer.set_result(self._reading(read))
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            answer.set_exception(error)

    def _reading(self, read: Reading[T]) -> T:
        with closing(_open(self.path, self.timeout * LOCK_SHARE)) as self.database:
            database = self.database
            database.set_progress_handler(lambda: monotonic() > self.deadline, LOOK_AT_CLOCK_STEPS)
            database.execute("pragma query_only = on")
            database.execute("begin")
            return read(database)


def _open(path: Path, lock_seconds: float) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode=ro"
    database = sqlite3.connect(
        address, uri=True, timeout=lock_seconds, isolation_level=None, check_same_thread=False
    )
    database.text_factory = _text
    database.set_authorizer(_no_other_file)
    return database


def _no_other_file(action: int, *_: object) -> int:
    """Read-only holds for this file alone: ATTACH would make another one."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _answer(database: sqlite3.Connection, query: str) -> QueryAnswer:
    cursor = database.execute(query)
    if cursor.description is None:
        raise Unseen("the query asks for nothing: it has no columns")
    columns, rows, value, is_whole = len(cursor.description), 0, None, True
    try:
        for row in cursor:
            rows += 1
            value = row[0] if rows == 1 else value
            if rows == MOST_ROWS:
                is_whole = cursor.fetchone() is None
                break
    except sqlite3.Error:
        if rows < 2:
            raise
        is_whole = False  # out of time, say: there are too many, whatever else there is
    return QueryAnswer(rows, columns, _scalar(value), is_whole)


def _scalar(value: object) -> float | str | None:
    """A blob is told as SQLite spells it."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    assert value is None or isinstance(value, int | float | str)  # SQLite has nothing else
    return value


def _contents(database: sqlite3.Connection, tables: Sequence[str]) -> Contents:
    return Contents({table: _rows(database, table) for table in tables}, _schema(database, tables))


def _rows(database: sqlite3.Connection, table: str) -> Rows:
    """The sum of the rows' hashes: the same in any order, and a row that stands twice counts twice."""
    if not database.execute("select 1 from sqlite_master where name = ? collate nocase", [table]).fetchone():
        raise Complaint(f"the table {table} is missing")
    count = total = 0
    quoted = table.replace('"', '""')
    for row in database.execute(f'select * from "{quoted}"'):  # noqa: S608 - a name cannot be a parameter
        count += 1
        total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest(), "big")
    return Rows(count, f"{total % 2**64:016x}"[:8])


def _schema(database: sqlite3.Connection, tables: Sequence[str]) -> str:
    """Hashes the tables' definitions, with their indexes and triggers."""
    marks = ", ".join("?" for _ in tables)
    rows = database.execute(
        f"select type, name, sql from sqlite_master where tbl_name collate nocase in ({marks})"  # noqa: S608
        " order by type, name",
        list(tables),
    )
    return hashlib.sha256(repr(rows.fetchall()).encode()).hexdigest()[:8]
