"""Check `sql` on a real PostgreSQL: what it promises of a file, and what only a server can break."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from backends.conformance.checks import CheckContract
from backends.conformance.harness import SHORT_SECONDS
from backends.sql.check import QueryCheck, TablesCheck
from backends.sql.postgres import LAST_SECONDS, why_no_connection
from bot.contents import Contents
from bot.model import (
    Finding,
    Verdict,
    When,
)
from bot.views.words import number
from tests.backends.http.peers import saying

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "canary-7f3a"
NOWHERE = Path("/nowhere")


async def ask(url: str, query: str, **settings: Any) -> Finding:
    check = QueryCheck(when=When.OFFLINE, url=url, base=NOWHERE, query=query, **settings)
    return await check.look(None, NOW)


async def compare(url: str, *tables: str, before: Finding | None = None) -> Finding:
    check = TablesCheck(when=When.OFFLINE, url=url, base=NOWHERE, tables=tables)
    return await check.look(before, NOW)


def contents(finding: Finding) -> Contents:
    assert isinstance(finding.value, Contents)
    return finding.value


@contextmanager
def changing(url: str) -> Iterator[psycopg.Connection]:
    """Holds its locks until the end, and then undoes what was done in it."""
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


@asynccontextmanager
async def between(url: str, silent_after: bytes) -> AsyncIterator[str]:
    """Yields an address that leads to the same server; it says nothing more once it was asked for this."""
    said = conninfo_to_dict(url)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = f"{said['host']}/.s.PGSQL.{said.get('port') or 5432}"
        theirs, ours = await asyncio.open_unix_connection(socket)
        answering = asyncio.create_task(_copy(theirs, writer))
        while data := await reader.read(65536):
            if silent_after in data:
                answering.cancel()
            ours.write(data)
        answering.cancel()
        ours.close()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://{said['user']}@127.0.0.1:{port}/{said['dbname']}?sslmode=disable"
        over.set()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


class PostgresWorld:
    def __init__(self, url: str) -> None:
        self.url = url

    def unreachable(self) -> QueryCheck:
        return self.check("select 1", url="postgresql://ana@/shop?host=/nowhere")

    def passing(self) -> QueryCheck | TablesCheck:
        return self.check("select count(*) from orders where total < 0")

    def failing(self) -> QueryCheck | TablesCheck:
        return self.check("select count(*) from orders")

    def slow(self) -> QueryCheck | TablesCheck:
        return self.check("select 0 from pg_sleep(60)", timeout=SHORT_SECONDS)

    def check(self, query: str, url: str = "", timeout: float = 10.0) -> QueryCheck:
        return QueryCheck(
            when=When.OFFLINE, url=url or self.url, base=NOWHERE, query=query, equals=0, timeout=timeout
        )


class PostgresTablesWorld(PostgresWorld):
    def passing(self) -> TablesCheck:
        return self.tables("orders")

    def failing(self) -> TablesCheck:
        return self.tables("orders", "refunds")

    def slow(self) -> TablesCheck:
        return replace(self.tables("slow"), timeout=SHORT_SECONDS)

    def tables(self, *tables: str) -> TablesCheck:
        return TablesCheck(when=When.OFFLINE, url=self.url, base=NOWHERE, tables=tables)


class TestPostgresQuery(CheckContract):
    @pytest.fixture
    def world(self, shop: str) -> PostgresWorld:
        return PostgresWorld(shop)


class TestPostgresTables(CheckContract):
    @pytest.fixture
    def world(self, shop: str) -> PostgresWorld:
        return PostgresTablesWorld(shop)


BIGGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("query", "conditions", "verdict", "words"),
    [
        (f"select {BIGGEST}", {"equals": BIGGEST}, Verdict.PASSED, f"{BIGGEST:,}"),
        (f"select {BIGGEST}", {"equals": BIGGEST - 1}, Verdict.FAILED, f"{BIGGEST:,}, not {BIGGEST - 1:,}"),
        ("select true", {"equals": True}, Verdict.PASSED, "true"),
        ("select false", {"equals": True}, Verdict.FAILED, "false, not true"),
        ("select true", {"equals": 1}, Verdict.FAILED, "true is a boolean, 1 was expected"),
        ("select 0.1::numeric", {"equals": 0.1}, Verdict.PASSED, "0.1"),
        ("select 1234.50", {"equals": 1234.5}, Verdict.PASSED, "1,234.50"),
        ("select 1234.51", {"equals": 1234.5}, Verdict.FAILED, "1,234.51, not 1234.5"),
        ("select 0.3::float8", {"equals": 0.3}, Verdict.PASSED, "0.3"),
        (
            "select 0.100000000000000000001",
            {"maximum": 0.1},
            Verdict.FAILED,
            "0.100000000000000000001, more than 0.1",
        ),
        (
            "select 'NaN'::numeric",
            {"minimum": 0},
            Verdict.FAILED,
            "NaN is not a number, a number was expected",
        ),
        ("select 'NaN'::float8", {"equals": 0}, Verdict.FAILED, "nan is not a number, 0 was expected"),
        ("select '0'", {"equals": 0}, Verdict.FAILED, "'0' is a text, 0 was expected"),
        ("select null::int", {"equals": 0}, Verdict.INCONCLUSIVE, "NULL, a value was expected"),
        ("select id from orders limit 3", {"equals": 0}, Verdict.FAILED, "3 rows, one was expected"),
        (
            "select id from orders where id < 0",
            {"equals": 0},
            Verdict.INCONCLUSIVE,
            "no rows, one was expected",
        ),
        (
            "select generate_series(1, 20000)",
            {"equals": 0},
            Verdict.FAILED,
            "at least 10,000 rows, one was expected",
        ),
        ("select 1, 2", {"equals": 0}, Verdict.FAILED, "2 columns, one was expected"),
        ("select date '2026-11-22'", {"equals": "2026-11-22"}, Verdict.PASSED, "'2026-11-22'"),
        ("select '{1,2}'::int[]", {"equals": "{1,2}"}, Verdict.PASSED, "'{1,2}'"),
        ("select '\\xff00'::bytea", {"equals": "\\xff00"}, Verdict.PASSED, "'\\\\xff00'"),
        ("select note from orders where note like '%234'", {"equals": "x"}, Verdict.FAILED, None),
    ],
)
async def test_an_answer_is_judged_to_the_last_digit(
    shop: str, query: str, conditions: dict[str, Any], verdict: Verdict, words: str | None
) -> None:
    finding = await ask(shop, query, **conditions)
    assert finding.verdict is verdict
    assert words is None or finding.words == words


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (f"select {BIGGEST}", f"{BIGGEST:,}"),
        ("select 12345678901234567890.5", "12,345,678,901,234,567,890.5"),
        ("select true", "true"),
        ("select 1234.5", 1234.5),
        ("select 7::numeric", 7.0),
    ],
)
async def test_a_value_is_kept_as_it_is(shop: str, query: str, value: float | str) -> None:
    finding = await ask(shop, query, equals=0)
    assert finding.value == value
    assert isinstance(value, float) or number(finding.value) == value


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "create table spoils (a int)",
        "select nextval('s')",
        "insert into customers values ('ana') returning 1",
        "select set_config('transaction_read_only', 'off', true)",
        "set transaction read write",
        "commit",
        "select 1; delete from orders",
        "commit; delete from orders",
        "do $$ begin delete from orders; end $$",
    ],
)
async def test_a_query_that_writes_is_refused_by_the_connection(shop: str, query: str) -> None:
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("create sequence if not exists s")
    finding = await ask(shop, query, equals=0)
    assert finding.verdict is not Verdict.PASSED
    assert finding.words
    assert (await ask(shop, "select count(*) from orders", equals=1234)).verdict is Verdict.PASSED
    assert (await ask(shop, "select is_called from s", equals=False)).verdict is Verdict.PASSED


async def test_a_writing_query_is_named_as_the_cause(shop: str) -> None:
    finding = await ask(shop, "delete from orders", equals=0)
    said = "cannot execute DELETE in a read-only transaction"
    words = f"the query wants to write, and a check can only read: {said}"
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, words)


@pytest.mark.parametrize(
    ("query", "verdict", "words"),
    [
        ("select count(*) from refunds", Verdict.FAILED, 'relation "refunds" does not exist'),
        ("select refund from orders", Verdict.FAILED, 'column "refund" does not exist'),
        ("select 1 / 0", Verdict.FAILED, "division by zero"),
        ("selct 1", Verdict.INCONCLUSIVE, 'the query cannot be asked: syntax error at or near "selct"'),
        ("commit", Verdict.INCONCLUSIVE, "the query asks for nothing: it has no columns"),
    ],
)
async def test_an_error_is_said_in_the_words_of_the_database(
    shop: str, query: str, verdict: Verdict, words: str
) -> None:
    finding = await ask(shop, query, equals=0)
    assert (finding.verdict, finding.words) == (verdict, words)


async def test_the_server_itself_ends_a_query_when_the_time_is_over(shop: str) -> None:
    finding = await ask(shop, "select 0 from pg_sleep(60) -- canary", equals=0, timeout=0.2)
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no answer within 0.2 s")
    running = "select count(*) from pg_stat_activity where state = 'active' and query like '%-- canary'"
    assert (await ask(shop, running, equals=0)).verdict is Verdict.PASSED


async def test_a_server_that_says_nothing_more_is_hung_up_on(shop: str) -> None:
    if not str(conninfo_to_dict(shop)["host"]).startswith("/"):
        pytest.skip("The server that ROLLBACK_TEST_DATABASE_URL names has no local socket.")
    async with between(shop, b"-- canary") as address:
        began = monotonic()
        finding = await ask(address, "select 0 -- canary", equals=0, timeout=0.2)
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no answer within 0.2 s")
    assert monotonic() - began < 0.2 + 3 * LAST_SECONDS


async def test_a_look_that_nobody_wants_any_more_leaves_no_query_behind(shop: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(shop, "select 0 from pg_sleep(60) -- nobody", equals=0, timeout=60)
    left = "select count(*) from pg_stat_activity where query like '%-- nobody' and state = 'active'"
    async with asyncio.timeout(5):
        while (await ask(shop, left, equals=0)).value != 0:
            pass


async def test_a_table_that_somebody_else_holds_is_named_as_the_cause(shop: str) -> None:
    with changing(shop) as other:
        other.execute("lock table orders in access exclusive mode")
        finding = await ask(shop, "select count(*) from orders", equals=0, timeout=0.3)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words == "another connection holds it: canceling statement due to lock timeout"


async def test_too_many_rows_are_decided_also_when_the_time_is_over(shop: str) -> None:
    """Each is so long that the server does not wait for another one before it sends it."""
    row = "repeat('x', 10000) || pg_sleep(case when n > 6 then 60 else 0 end)::text"
    finding = await ask(shop, f"select {row} from generate_series(1, 9) n", equals=0, timeout=0.3)
    assert finding.verdict is Verdict.FAILED
    assert re.fullmatch(r"at least \d rows, one was expected", finding.words)


async def test_a_server_that_is_away_is_inconclusive_and_says_so(free_port: int) -> None:
    finding = await ask(f"postgresql://ana:{CANARY}@127.0.0.1:{free_port}/{CANARY}", "select 1", equals=1)
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no connection: Connection refused")


async def test_a_server_that_answers_nothing_is_given_up_in_time() -> None:
    async with saying(b"", hangs_up=False) as silent:
        address = silent.replace("http://", "postgresql://ana@")
        finding = await ask(f"{address}/shop", "select 1", equals=1, timeout=0.2)
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no connection within 0.2 s")


async def test_a_database_and_a_user_that_are_not_there_are_not_named(shop: str) -> None:
    host = quote(str(conninfo_to_dict(shop)["host"]), safe="")
    user = conninfo_to_dict(shop)["user"]
    no_database = await ask(f"postgresql://{user}@/{CANARY}?host={host}", "select 1", equals=1)
    no_user = await ask(f"postgresql://{CANARY}:{CANARY}@/shop?host={host}", "select 1", equals=1)
    assert no_database.words == "no connection: FATAL:  database *** does not exist"
    assert no_user.words == "no connection: FATAL:  role *** does not exist"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{CANARY}@[::1/{CANARY}",
        f"postgresql://u:{CANARY}@127.0.0.1:x{CANARY}/d",
        f"postgresql://127.0.0.1:1/d?{CANARY}",
        f"postgresql://127.0.0.1:1/d?{CANARY}={CANARY}",
        f"postgresql://127.0.0.1:1/d?sslmode={CANARY}",
        f"postgresql://127.0.0.1:1/d?sslmode=verify-full&sslrootcert=/{CANARY}/ca.pem",
        f"postgresql://127.0.0.1:1/d?connect_timeout={CANARY}",
        f"postgresql://a%zz{CANARY}@127.0.0.1:1/d",
        f"postgresql://127.0.0.1:1/d?options=-c{CANARY}",
        f"postgresql://127.0.0.1:1/d?service={CANARY}",
        f"postgresql:///d?host=/{CANARY}",
    ],
)
async def test_nothing_of_an_address_but_its_host_is_told(url: str) -> None:
    finding = await ask(url, "select 1", equals=1, timeout=2)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert CANARY not in f"{finding}"
    assert finding.words.startswith("no connection: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (CANARY, "invalid command-line argument for server process: ***"),
        (f"-c{CANARY}", "-c *** requires a value"),
        (f"-c%20work_mem%3D{CANARY}", "invalid value for parameter ***"),
        (f"--{CANARY}%3D{CANARY}", "unrecognized configuration parameter ***"),
    ],
)
async def test_options_of_an_address_are_struck_where_the_server_repeats_them(
    shop: str, options: str, words: str
) -> None:
    more = f"{'&' if '?' in shop else '?'}options={options}"
    finding = await ask(f"{shop}{more}", "select 1", equals=1)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words == f"no connection: FATAL:  {words}"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
            'FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "ana", database "shop", no encryption',
            "FATAL:  no pg_hba.conf entry for host ***, no encryption",
        ),
        (
            'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
            "FATAL:  Passwort-Authentifizierung für Benutzer »ana« fehlgeschlagen",
            "FATAL:  Passwort-Authentifizierung für Benutzer *** fehlgeschlagen",
        ),
        (
            "failed to resolve host 'db1': [Errno -2] Name or service not known",
            "failed to resolve host ***: [Errno -2] Name or service not known",
        ),
        ("", "no reason was given"),
    ],
)
def test_only_the_reason_is_told_when_a_server_turns_a_stranger_away(said: str, reason: str) -> None:
    """The sentences are those of libpq and of auth.c and de.po of PostgreSQL 16."""
    assert why_no_connection(said, "postgresql://ana@10.0.0.1/shop") == reason


async def test_tables_are_told_in_rows_hash_and_schema(shop: str) -> None:
    finding = await compare(shop, "orders", "public.customers")
    seen = contents(finding)
    assert (seen.tables["orders"].count, seen.tables["public.customers"].count) == (1234, 0)
    assert re.match(
        r"orders: 1,234 rows [0-9a-f]{8} · public\.customers: 0 rows 00000000 · schema:", finding.words
    )


async def test_the_hash_depends_on_the_rows_alone(shop: str) -> None:
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("create table copy as select * from orders order by id desc")
        same = await compare(shop, "orders", "copy")
        connection.execute("update copy set note = 'x' where id = 7")
        other = await compare(shop, "copy")
        connection.execute("drop table copy")
    assert contents(same).tables["copy"] == contents(same).tables["orders"]
    assert contents(other).tables["copy"] != contents(same).tables["copy"]


async def test_a_table_may_have_any_name_and_any_column(shop: str) -> None:
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute('create table "Odd "" Name" (x text, t text)')
        connection.execute("""insert into "Odd "" Name" values ('a', 'b')""")
        finding = await compare(shop, '"Odd "" Name"')
        connection.execute("""update "Odd "" Name" set t = 'c'""")
        after = await compare(shop, '"Odd "" Name"', before=finding)
        connection.execute('drop table "Odd "" Name"')
    assert contents(finding).tables['"Odd "" Name"'].count == 1
    assert " → 1 rows " in after.words


@pytest.mark.parametrize(
    "name", ["refunds", 'orders"; drop table orders; --', "orders_pkey", "", "nowhere.orders"]
)
async def test_a_missing_or_hostile_table_fails(shop: str, name: str) -> None:
    assert (await compare(shop, name)).verdict is Verdict.FAILED
    assert (await compare(shop, "orders")).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("alter table customers add column age int", "alter table customers drop column age"),
        ("create index by_name on customers (name)", "drop index by_name"),
        (
            "alter table customers alter vip set default true",
            "alter table customers alter vip set default false",
        ),
        ("alter table customers alter name set not null", "alter table customers alter name drop not null"),
        (
            "alter table customers add constraint c check (name <> '')",
            "alter table customers drop constraint c",
        ),
    ],
)
async def test_another_schema_is_said(shop: str, change: str, back: str) -> None:
    before = await compare(shop, "customers")
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(change.encode())
        after = await compare(shop, "customers", before=before)
        connection.execute(back.encode())
    assert contents(after).schema != contents(before).schema
    assert contents(await compare(shop, "customers")).schema == contents(before).schema
