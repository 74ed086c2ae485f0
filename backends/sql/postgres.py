"""Looks into a database of PostgreSQL: read-only, in one consistent view, and never longer than it may take.

The server is told how long a statement may run, and ends it itself. A server that says nothing more is hung
up on: whoever asks is answered when the time is over.
"""

import asyncio
import hashlib
import os
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from psycopg import AsyncConnection, AsyncCursor, Error, IsolationLevel, ProgrammingError
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict

from backends.sql.answers import MOST_ROWS, Complaint, QueryAnswer, Scalar, Unseen
from bot.contents import Contents, Rows

NAME: Final = "rollback-bot check"  # as the server's administrator sees it
LOCK_SHARE: Final = 0.8  # of the time: so that who is locked out can say so
LAST_SECONDS: Final = 0.3  # for a server to say that it gives up, and for a line to end
TYPES: Final = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "numeric"}
)  # the others are text

# SQLSTATEs, and classes of them, with which a server says that it could not look. Appendix A of its manual.
NO_ANSWER: Final = ("08", "25", "28", "40", "42501", "53", "55", "57", "58")
HELD: Final = "55P03"
LATE: Final = "57014"
READ_ONLY: Final = "25006"
NO_QUESTION: Final = frozenset({"42601", "42883", "42P02", "0A000"})  # syntax, no such function, a parameter

DEADLINES: Final = """select set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
    set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true),
    set_config('intervalstyle', 'postgres', true), set_config('bytea_output', 'hex', true),
    set_config('extra_float_digits', '1', true)"""
# The name as it must be quoted. The search path decides which one is meant, as in the queries of the service.
TABLE: Final = """select c.oid, c.oid::regclass::text from pg_class c
    where c.oid = to_regclass(%s) and c.relkind in ('r', 'p', 'v', 'm', 'f')"""
# `x.*` is the row, also of a table with a column x.
ROWS: Final = "select count(*), coalesce(sum(hashtextextended((x.*)::text, 0)::numeric), 0) from {} as x"
SCHEMA: Final = """
    select 'column', attname, format_type(atttypid, atttypmod), attnotnull::text,
        coalesce(pg_get_expr(adbin, adrelid), '')
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = any(%(tables)s::oid[]) and attnum > 0 and not attisdropped
    union all select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), '', ''
    from pg_index where indrelid = any(%(tables)s::oid[])
    union all select 'constraint', conname, pg_get_constraintdef(oid), '', ''
    from pg_constraint where conrelid = any(%(tables)s::oid[])
    union all select 'trigger', tgname, pg_get_triggerdef(oid), '', ''
    from pg_trigger where tgrelid = any(%(tables)s::oid[]) and not tgisinternal
    order by 1, 2, 3, 4, 5"""

# A server may speak any language: what it puts into marks of any kind are names.
QUOTED: Final = re.compile("[\"'`«»„“”‘’].*[\"'`«»„“”‘’]")
WHO: Final = re.compile(r'\b(database|role|user) ".*?"')
TOLD: Final = frozenset({"host", "hostaddr", "port", "sslmode"})
PARTS: Final = re.compile(r"(?:^|\s)-+c?\s*|[\s=,]+")  # of options: the server repeats them one by one
SHORTEST_CHARACTERS: Final = 4  # less stands in half of all words
ANY_OTHER: Final = 0  # the number of a type that nobody knows

T = TypeVar("T")
Connection = AsyncConnection[tuple[object, ...]]
Cursor = AsyncCursor[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Postgres:
    url: str
    timeout: float  # seconds for one look

    async def answer(self, query: str) -> QueryAnswer:
        return await self._read(lambda cursor: _answer(cursor, query))

    async def contents(self, tables: Sequence[str]) -> Contents:
        return await self._read(lambda cursor: _contents(cursor, tables))

    async def _read(self, read: Callable[[Cursor], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        connection = await self._connected(deadline)
        reading = asyncio.create_task(_reading(connection, read, deadline))
        try:
            await asyncio.wait([reading], timeout=deadline + LAST_SECONDS - loop.time())
            if not reading.done():
                raise self._late()
            return reading.result()
        except Error as error:
            raise self._said(error) from None
        except ValueError:
            raise Unseen("the query cannot be asked: it holds what is no text") from None
        finally:
            if not reading.done() and loop.time() < deadline:  # nobody wants the answer any more
                with suppress(Error):
                    await connection.cancel_safe(timeout=LAST_SECONDS)
            _hang_up(connection)
            await asyncio.wait([reading], timeout=LAST_SECONDS)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await connection.close()

    async def _connected(self, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                return await AsyncConnection.connect(self.url, application_name=NAME, client_encoding="UTF8")
        except TimeoutError:
            raise Unseen(f"no connection within {self.timeout:g} s") from None
        except (Error, OSError, ValueError) as error:
            raise Unseen(f"no connection: {why_no_connection(str(error), self.url)}") from None

    def _said(self, error: Error) -> Unseen | Complaint:
        code = error.sqlstate or ""
        words = _struck(error.diag.message_primary or "", self.url)
        if code == LATE:
            return self._late()
        if code == HELD:
            return Unseen(f"another connection holds it: {words}")
        if code == READ_ONLY:
            return Unseen(f"the query wants to write, and a check can only read: {words}")
        if code in NO_QUESTION:
            return Unseen(f"the query cannot be asked: {words}")
        if not code:
            return Unseen(f"no answer: {why_no_connection(str(error), self.url)}")
        return Unseen(words) if code.startswith(NO_ANSWER) else Complaint(words)

    def _late(self) -> Unseen:
        return Unseen(f"no answer within {self.timeout:g} s")


async def _reading(connection: Connection, read: Callable[[Cursor], Awaitable[T]], deadline: float) -> T:
    await connection.set_read_only(True)
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    for known in connection.adapters.types:
        if known.name not in TYPES:
            connection.adapters.register_loader(known.oid, _AsText)
    for other in (*(known.array_oid for known in connection.adapters.types), ANY_OTHER):
        connection.adapters.register_loader(other, _AsText)
    async with connection.cursor() as cursor:
        left = (deadline - asyncio.get_running_loop().time()) * 1000
        limits = [str(max(1, int(left * share))) for share in (1, LOCK_SHARE)]  # 0 would be none
        await cursor.execute(DEADLINES, limits)
        return await read(cursor)


class _AsText(Loader):
    """Leaves a value as the server writes it, whatever bytes it holds."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "backslashreplace")


def _hang_up(connection: Connection) -> None:
    """Ends the line, so that nobody waits for the server any more. A second time nothing happens."""
    with suppress(OSError, Error):
        line = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with line:
            line.shutdown(socket.SHUT_RDWR)


async def _answer(cursor: Cursor, query: str) -> QueryAnswer:
    """The extended protocol takes one statement alone: none can end our transaction and go on."""
    rows, value, is_whole = 0, None, True
    found = cursor.stream(query.encode())
    try:
        async for row in found:
            if rows == MOST_ROWS:
                is_whole = False
                break
            rows += 1
            value = row[0] if rows == 1 and row else value
    except Error as error:
        if rows >= 2:  # out of time, say: there are too many, whatever else there is
            return QueryAnswer(rows, len(cursor.description or ()), _scalar(value), is_whole=False)
        if error.sqlstate is None and isinstance(error, ProgrammingError):
            raise Unseen("the query asks for nothing: it has no columns") from None
        raise
    finally:
        if isinstance(found, AsyncGenerator):
            await found.aclose()  # the server is told that no more is wanted
    return QueryAnswer(rows, len(cursor.description or ()), _scalar(value), is_whole)


def _scalar(value: object) -> Scalar:
    assert value is None or isinstance(
        value, int | float | Decimal | bool | str
    )  # all else is text, see above
    return value


async def _contents(cursor: Cursor, tables: Sequence[str]) -> Contents:
    found = {table: await _table(cursor, table) for table in tables}
    rows = {table: await _rows(cursor, name) for table, (_, name) in found.items()}
    await cursor.execute(SCHEMA, {"tables": [oid for oid, _ in found.values()]})
    schema = hashlib.sha256(repr(await cursor.fetchall()).encode()).hexdigest()[:8]
    return Contents(rows, schema)


async def _table(cursor: Cursor, table: str) -> tuple[int, str]:
    """Returns its number, and its name as the server quotes it."""
    row = await (await cursor.execute(TABLE, [table])).fetchone()
    if row is None:
        raise Complaint(f"the table {table} is missing")
    return int(str(row[0])), str(row[1])


async def _rows(cursor: Cursor, name: str) -> Rows:
    """The sum of the rows' hashes: the same in any order, and a row that stands twice counts twice."""
    row = await (await cursor.execute(ROWS.format(name).encode())).fetchone()
    assert row is not None  # an aggregate has one
    return Rows(int(str(row[0])), f"{int(str(row[1])) % 2**64:016x}"[:8])


def why_no_connection(said: str, url: str) -> str:
    """Returns the reason alone: where a server was looked for, as whom and for which database is struck."""
    first, *_ = _struck(said, url).strip().splitlines() or [""]
    reason = first.rpartition("failed: ")[2]
    return QUOTED.sub("***", reason).strip() or "no reason was given"


def _struck(words: str, url: str) -> str:
    """Names neither who asks, nor which database, nor anything else that the address says beside its host."""
    for value in sorted(_values_of(url), key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "***", words)
    return WHO.sub(r'\1 "***"', words)


def _values_of(url: str) -> Iterator[str]:
    try:
        said = conninfo_to_dict(url)
    except Error:  # its text is quoted by whoever complains
        return
    values = [str(value) for name, value in said.items() if name not in TOLD]
    for part in {part for value in values for part in (value, *PARTS.split(value))}:
        if len(part) >= SHORTEST_CHARACTERS:
            yield part
