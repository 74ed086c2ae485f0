"""Checks `sql`: an assertion over one value, and the rows, contents and schema of tables.

Both read an SQLite file, read-only, in a thread, with a deadline. `failed` is what the database answers and
should not; `inconclusive` is that it did not answer: no file, locked, too slow.

The tables check cannot know how many rows there should be after going back. It fails only when a table is
missing, and is inconclusive when one has lost all its rows. Otherwise it says what is there now beside what
was there before: people judge that.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar
from urllib.parse import quote

from backends.references import Resolver
from backends.sql.settings import SqlCheckSettings
from bot.looking import Habits
from bot.model import Contents, Finding, Rows, Value, Verdict

SQLITE: Final = "sqlite:///"
LOOK_AT_CLOCK_STEPS: Final = 10_000  # of SQLite's machine between two looks at the deadline

# The database could not answer. Every other error is its answer: no such column, malformed, not a database.
NO_ANSWER: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)

T = TypeVar("T", bound=Value)
Judged = tuple[Verdict, str]


class TableMissing(Exception):
    """A table that was asked for is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCheck(Habits):
    """The first column of the first row. Of the three conditions, all that are given must hold."""

    url: str
    base: Path  # where a relative path starts
    query: str
    equals: float | str | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def name(self) -> str:
        return self.label or f"sql {self.query}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        return await _look(self, before, lambda database: _first_value(database, self.query), self._judge)

    def _judge(self, value: float | str | None) -> Judged:
        if value is None:
            return Verdict.INCONCLUSIVE, "the query gives no value"
        if self.equals is not None and value != self.equals:
            return Verdict.FAILED, f"{_plain(value)}, not {_plain(self.equals)}"
        if self.minimum is None and self.maximum is None:
            return Verdict.PASSED, _plain(value)
        if isinstance(value, str):
            return Verdict.FAILED, f"{value!r} is not a number"
        if self.minimum is not None and value < self.minimum:
            return Verdict.FAILED, f"{_plain(value)}, less than {_plain(self.minimum)}"
        if self.maximum is not None and value > self.maximum:
            return Verdict.FAILED, f"{_plain(value)}, more than {_plain(self.maximum)}"
        return Verdict.PASSED, _plain(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesCheck(Habits):
    """Compares before and after; a table that has lost all its rows is for people to judge."""

    url: str
    base: Path  # where a relative path starts
    tables: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.label or f"sql tables {', '.join(self.tables)}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        was = before.value if before else None

        def judge(value: Contents) -> Judged:
            return _compared(was if isinstance(was, Contents) else None, value)

        return await _look(self, before, lambda database: _contents(database, self.tables), judge)


async def _look(
    check: QueryCheck | TablesCheck,
    before: Finding | None,
    read: Callable[[sqlite3.Connection], T],
    judge: Callable[[T], Judged],
) -> Finding:
    value: Value = None
    try:
        value = answer = await asyncio.to_thread(_reading, check, read)
        verdict, words = judge(answer)
    except TableMissing as missing:
        verdict, words = Verdict.FAILED, str(missing)
    except sqlite3.Error as error:
        verdict, words = _judge_error(error), f"{error}"
    return Finding(check.name, check.when, verdict, value, before.value if before else None, words)


def _judge_error(error: sqlite3.Error) -> Verdict:
    """Only the database's own errors carry a code; its low byte is the kind."""
    code = getattr(error, "sqlite_errorcode", None)
    return Verdict.INCONCLUSIVE if code is None or code & 0xFF in NO_ANSWER else Verdict.FAILED


def _reading(check: QueryCheck | TablesCheck, read: Callable[[sqlite3.Connection], T]) -> T:
    """In a thread: one consistent view of the file, given up at the deadline."""
    deadline = monotonic() + check.timeout
    with closing(_open(check.url, check.base, check.timeout)) as database:
        database.set_progress_handler(lambda: monotonic() > deadline, LOOK_AT_CLOCK_STEPS)
        database.execute("pragma query_only = on")
        database.execute("begin")
        return read(database)


def _open(url: str, base: Path, timeout: float) -> sqlite3.Connection:
    if not url.startswith(SQLITE):
        raise sqlite3.NotSupportedError(f"only {SQLITE}PATH can be read")
    path = quote(str(base / url.removeprefix(SQLITE)))
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=timeout, isolation_level=None)
    database.text_factory = _text
    database.set_authorizer(_no_other_file)
    return database


def _no_other_file(action: int, *_: object) -> int:
    """Read-only holds for this file alone: ATTACH would make another one."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _first_value(database: sqlite3.Connection, query: str) -> float | str | None:
    row = database.execute(query).fetchone()
    if row is None or row[0] is None:
        return None
    # An infinite number cannot be stored as JSON: it is told as text.
    return row[0] if isinstance(row[0], int | float) and isfinite(row[0]) else str(row[0])


def _plain(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value % 1 == 0 else f"{value}"


def _contents(database: sqlite3.Connection, tables: Sequence[str]) -> Contents:
    return Contents({table: _rows(database, table) for table in tables}, _schema(database, tables))


def _rows(database: sqlite3.Connection, table: str) -> Rows:
    """The sum of the rows' hashes: the same in any order, and a row that stands twice counts twice."""
    if not database.execute("select 1 from sqlite_master where name = ? collate nocase", [table]).fetchone():
        raise TableMissing(f"the table {table} is missing")
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


def _compared(was: Contents | None, now: Contents) -> Judged:
    """Says what changed. Whether a table should be empty now is known to people only, so it is not passed."""
    if was is None:
        empty = not all(rows.count for rows in now.tables.values())
        unknown = " · nobody knows whether it was empty before" if empty else ""
        return Verdict.INCONCLUSIVE if empty else Verdict.PASSED, f"{_told(now)}{unknown}"
    changed = [
        f"{name}: {_said(was.tables.get(name))} → {_said(rows)}"
        for name, rows in now.tables.items()
        if was.tables.get(name) != rows
    ]
    if was.schema != now.schema:
        changed.append(f"schema: {was.schema} → {now.schema}")
    had, has = ({name for name, rows in each.tables.items() if rows.count} for each in (was, now))
    emptied = had - has
    verdict = Verdict.INCONCLUSIVE if emptied else Verdict.PASSED
    return verdict, " · ".join(changed) if changed else f"as before: {_told(now)}"


def _told(contents: Contents) -> str:
    """`orders: 1,234 rows 9f3a51c0 · schema: 77ab01cd`."""
    return " · ".join(
        [*(f"{name}: {_said(rows)}" for name, rows in contents.tables.items()), f"schema: {contents.schema}"]
    )


def _said(rows: Rows | None) -> str:
    return "nothing" if rows is None else f"{rows.count:,} rows {rows.hash}"


def build(settings: SqlCheckSettings, resolver: Resolver) -> QueryCheck | TablesCheck:
    """Raises ConfigurationError when a reference cannot be resolved."""
    url, base = resolver.text(settings.url), resolver.surroundings.base
    if settings.query is None:
        return TablesCheck(url=url, base=base, tables=settings.tables, **settings.habits())
    return QueryCheck(
        url=url,
        base=base,
        query=resolver.text(settings.query),
        equals=settings.equals,
        minimum=settings.min,
        maximum=settings.max,
        **settings.habits(),
    )
