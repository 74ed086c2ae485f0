"""Checks `sql`: an assertion over one value, and the rows, contents and schema of tables.

Both read an SQLite file or a PostgreSQL database, read-only, and are answered when their time is over. One
rule parts the verdicts. A look that tells something about the data is `failed`: another value, too many rows,
a table or a column that is missing, a file that is damaged. A look that tells nothing about it is
`inconclusive`: no file, no connection, locked, too slow, a query that cannot be asked or wants to write.

The tables check cannot know how many rows there should be after going back. It fails only when a table is
missing, and is inconclusive when one has lost all its rows. Otherwise it says what is there now beside what
was there before: people judge that. On a copy it says what the restore point holds: nothing was lost there.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from backends.references import Resolver
from backends.sql.answers import (
    Complaint,
    Expectation,
    Judged,
    QueryAnswer,
    SqlDatabase,
    Unseen,
    stored,
)
from backends.sql.definition import SQLITE, USABLE, is_postgres, is_sqlite
from backends.sql.settings import SqlCheckSettings
from backends.sql.sqlite_file import SqliteFile
from bot.configuration.values import Reference
from bot.contents import Contents, Rows
from bot.contract import COPY_OF, COPY_URL
from bot.errors import ConfigurationError
from bot.looking import Habits
from bot.model import (
    Finding,
    Value,
    Verdict,
)

LITERAL: Final = re.compile(r"'((?:[^']|'')*)(?:'|$)")  # of SQL; one that never ends as well

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCheck(Habits):
    """One value, in one row of one column. All of the conditions that are given must hold."""

    reaches_target: ClassVar[bool] = True
    url: str = field(repr=False)
    base: Path  # where a relative path starts
    query: str
    equals: float | str | bool | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def name(self) -> str:
        return self.label or f"sql {self.query}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        expected = Expectation(self.equals, self.minimum, self.maximum)

        def value(answer: QueryAnswer) -> Value:
            return stored(answer.value) if answer.rows == answer.columns == 1 else None

        return await _look(self, before, lambda database: database.answer(self.query), value, expected.judge)

    def beside(self, environment: Mapping[str, str]) -> "QueryCheck | None":
        url = _url_of_copy(self.url, self.base, environment)
        return None if url is None else replace(self, url=url)


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesCheck(Habits):
    """Compares before and after; a table that has lost all its rows is for people to judge."""

    reaches_target: ClassVar[bool] = True
    url: str = field(repr=False)
    base: Path  # where a relative path starts
    tables: tuple[str, ...]
    on_copy: bool = False  # of a restore point, which says by itself what is empty

    @property
    def name(self) -> str:
        return self.label or f"sql tables {', '.join(self.tables)}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        was = before.value if before else None

        def judge(value: Contents) -> Judged:
            if self.on_copy:
                return Verdict.PASSED, _told(value)
            return _compared(was if isinstance(was, Contents) else None, value)

        return await _look(
            self, before, lambda database: database.contents(self.tables), lambda value: value, judge
        )

    def beside(self, environment: Mapping[str, str]) -> "TablesCheck | None":
        url = _url_of_copy(self.url, self.base, environment)
        return None if url is None else replace(self, url=url, on_copy=True)


def _url_of_copy(url: str, base: Path, environment: Mapping[str, str]) -> str | None:
    """Returns the address of the copy in the place of this one; None: it is not what the copy is one of."""
    live, copy = environment.get(COPY_OF), environment.get(COPY_URL)
    if live is None or copy is None or not is_sqlite(url):
        return None
    same = (base / url.removeprefix(SQLITE)).resolve() == Path(live).resolve()
    return copy if same else None


async def _look(
    check: QueryCheck | TablesCheck,
    before: Finding | None,
    read: Callable[[SqlDatabase], Awaitable[T]],
    value_of: Callable[[T], Value],
    judge: Callable[[T], Judged],
) -> Finding:
    value: Value = None
    try:
        answer = await read(_database(check.url, check.base, check.timeout))
        value = value_of(answer)
        verdict, words = judge(answer)
    except Complaint as refused:
        verdict, words = Verdict.FAILED, str(refused)
    except Unseen as unseen:
        verdict, words = Verdict.INCONCLUSIVE, str(unseen)
    return Finding(check.name, check.when, verdict, value, before.value if before else None, words)


def _database(url: str, base: Path, timeout: float) -> SqlDatabase:
    """Raises Unseen where it is no database that can be read."""
    if is_sqlite(url):
        return SqliteFile(base / url.removeprefix(SQLITE), timeout)
    if is_postgres(url):
        from backends.sql.postgres import Postgres  # of an extra that a file does not need

        return Postgres(url, timeout)
    raise Unseen(f"the address cannot be used: it {USABLE}")


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
    """Raises ConfigurationError when a reference cannot be resolved, or a library is missing."""
    url, base = resolver.text(settings.url), resolver.surroundings.base
    if is_postgres(url):
        _need_psycopg()
    if settings.query is None:
        return TablesCheck(url=url, base=base, tables=settings.tables, **settings.habits())
    query = resolver.text(settings.query)
    if isinstance(settings.query, Reference):  # the database repeats single words of it in its complaints
        for literal in LITERAL.findall(query):
            resolver.surroundings.secrets.add(literal)
    return QueryCheck(
        url=url,
        base=base,
        query=query,
        equals=settings.equals,
        minimum=settings.min,
        maximum=settings.max,
        **settings.habits(),
    )


def _need_psycopg() -> None:
    try:
        import backends.sql.postgres  # noqa: F401 - it is tried before anybody looks
    except ImportError:
        words = "Check `sql` cannot look into PostgreSQL here: psycopg is not installed."
        raise ConfigurationError((f"{words} Run: pip install 'rollback-bot[postgres]'",)) from None
