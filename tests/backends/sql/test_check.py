"""Checks `sql`, beyond what all checks must do."""

import asyncio
import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from backends.discreet import DiscreetCheck
from backends.references import Resolver
from backends.sql.check import QueryCheck, TablesCheck, build
from backends.sql.settings import SqlCheckSettings
from backends.sql.sqlite_file import LAST_SECONDS, THREAD
from backends.surroundings import Surroundings
from bot.configuration.values import Reference
from bot.contents import Contents, Rows
from bot.model import (
    Finding,
    Verdict,
    When,
)
from bot.views.words import number

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "sqlite:///shop.db"


async def ask(base: Path, query: str, **conditions: Any) -> Finding:
    return await QueryCheck(when=When.OFFLINE, url=URL, base=base, query=query, **conditions).look(None, NOW)


async def compare(base: Path, *tables: str, before: Finding | None = None) -> Finding:
    return await TablesCheck(when=When.OFFLINE, url=URL, base=base, tables=tables).look(before, NOW)


def contents(finding: Finding) -> Contents:
    assert isinstance(finding.value, Contents)
    return finding.value


def change(base: Path, *statements: str) -> None:
    with sqlite3.connect(base / "shop.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    ("conditions", "verdict", "words"),
    [
        ({"equals": 1234}, Verdict.PASSED, "1,234"),
        ({"equals": 1}, Verdict.FAILED, "1,234, not 1"),
        ({"equals": 0}, Verdict.FAILED, "1,234, not 0"),
        ({"minimum": 1234, "maximum": 1234}, Verdict.PASSED, "1,234"),
        ({"minimum": 1235}, Verdict.FAILED, "1,234, less than 1,235"),
        ({"maximum": 1233.5}, Verdict.FAILED, "1,234, more than 1233.5"),
        ({"equals": 1234, "maximum": 1000}, Verdict.FAILED, "1,234, more than 1,000"),
    ],
)
async def test_every_condition_that_is_given_must_hold(
    base: Path, conditions: dict[str, float], verdict: Verdict, words: str
) -> None:
    finding = await ask(base, "select count(*) from orders", **conditions)
    assert (finding.verdict, finding.value, finding.words) == (verdict, 1234, words)


async def test_text_may_be_compared(base: Path) -> None:
    finding = await ask(base, "select note from orders where id = 7", equals="n7")
    assert (finding.verdict, finding.value) == (Verdict.PASSED, "n7")


async def test_text_is_not_between_two_numbers(base: Path) -> None:
    assert (await ask(base, "select note from orders", minimum=1)).verdict is Verdict.FAILED


@pytest.mark.parametrize("query", ["select total from orders where id < 0", "select null"])
async def test_no_value_is_inconclusive(base: Path, query: str) -> None:
    assert (await ask(base, query, equals=0)).verdict is Verdict.INCONCLUSIVE


async def test_an_infinite_value_is_told_as_text(base: Path) -> None:
    finding = await ask(base, "select 9e999", maximum=1)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "inf")


@pytest.mark.parametrize("query", ["select count(*) from refunds", "select refund from orders"])
async def test_a_schema_that_lacks_what_is_asked_for_fails(base: Path, query: str) -> None:
    finding = await ask(base, query, equals=0)
    assert (finding.verdict, finding.words[:7]) == (Verdict.FAILED, "no such")


async def test_a_file_that_is_no_database_fails(base: Path) -> None:
    (base / "shop.db").write_bytes(b"not a database " * 100)
    assert (await ask(base, "select count(*) from orders", equals=0)).verdict is Verdict.FAILED


async def test_several_statements_are_not_looked_at(base: Path) -> None:
    assert (await ask(base, "select 0; select 0", equals=0)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("query", ["delete from orders", "drop table orders", "attach 'other.db' as other"])
async def test_a_query_changes_nothing(base: Path, query: str) -> None:
    before = {file.name: file.read_bytes() for file in base.iterdir()}
    await ask(base, query, equals=0)
    assert {file.name: file.read_bytes() for file in base.iterdir()} == before


@pytest.mark.parametrize("url", ["mysql://shop/orders", "postgresql://shop", "sqlite:///", "shop.db"])
async def test_another_kind_of_database_is_inconclusive(base: Path, url: str) -> None:
    check = QueryCheck(when=When.OFFLINE, url=url, base=base, query="select 1")
    finding = await check.look(None, NOW)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words.startswith("the address cannot be used: it must begin with sqlite:///")


async def test_a_database_in_wal_mode_is_read_while_it_is_written(base: Path) -> None:
    writer = sqlite3.connect(base / "shop.db", isolation_level=None)
    writer.execute("pragma journal_mode = wal")
    writer.execute("begin immediate")
    writer.execute("delete from orders")
    assert (await ask(base, "select count(*) from orders", equals=1234)).verdict is Verdict.PASSED
    writer.close()


async def test_tables_are_said_in_rows_hash_and_schema(base: Path) -> None:
    finding = await compare(base, "orders", "customers")
    seen = contents(finding)
    assert seen.tables["orders"].count == 1234
    assert seen.tables["customers"] == Rows(0, "00000000")
    orders = f"orders: 1,234 rows {seen.tables['orders'].hash}"
    assert finding.words.startswith(f"{orders} · customers: 0 rows 00000000 · schema: {seen.schema}")


async def test_the_hash_does_not_depend_on_the_order_of_rows(base: Path) -> None:
    before = await compare(base, "orders")
    change(
        base,
        "create table sorted as select * from orders order by id desc",
        "delete from orders",
        "create table copy (id integer, total real, note text)",
        "insert into copy select * from sorted",
    )
    after = await compare(base, "copy")
    assert contents(after).tables["copy"] == contents(before).tables["orders"]


async def test_a_row_that_stands_twice_counts_twice(base: Path) -> None:
    change(base, "insert into customers values ('ana'), ('ana')")
    twice = await compare(base, "customers")
    change(base, "delete from customers", "insert into customers values ('ben'), ('ben')")
    assert (await compare(base, "customers")).value != twice.value


async def test_what_changed_is_said_before_and_after(base: Path) -> None:
    before = await compare(base, "orders", "customers")
    change(base, "delete from orders where id > 1000")
    after = await compare(base, "orders", "customers", before=before)
    assert after.verdict is Verdict.PASSED
    assert after.words.startswith("orders: 1,234 rows ")
    assert " → 1,000 rows " in after.words
    assert "customers" not in after.words


async def test_tables_whose_names_begin_alike_are_two_tables(base: Path) -> None:
    change(base, 'create table "a: x" (n)', 'create table "a: y" (n)', 'insert into "a: x" values (1)')
    before = await compare(base, "a: x", "a: y")
    change(base, 'delete from "a: x"')
    after = await compare(base, "a: x", "a: y", before=before)
    assert after.verdict is Verdict.INCONCLUSIVE
    assert after.words == f"a: x: 1 rows {contents(before).tables['a: x'].hash} → 0 rows 00000000"


async def test_a_table_that_has_lost_all_its_rows_has_not_passed(base: Path) -> None:
    before = await compare(base, "orders", "customers")
    change(base, "delete from orders")
    assert (await compare(base, "orders", "customers", before=before)).verdict is Verdict.INCONCLUSIVE


async def test_an_empty_table_has_not_passed_where_nobody_knows_what_it_held(base: Path) -> None:
    """An earlier release noted a text before the rollback; and what cannot be read leaves nothing."""
    noted = await compare(base, "customers")
    for before in (None, replace(noted, value="customers: 3 rows"), replace(noted, value=None)):
        finding = await compare(base, "customers", before=before)
        assert finding.verdict is Verdict.INCONCLUSIVE
        assert finding.words.endswith("nobody knows whether it was empty before")


async def test_what_did_not_change_is_said_too(base: Path) -> None:
    before = await compare(base, "orders")
    assert (await compare(base, "orders", before=before)).words == f"as before: {before.words}"


async def test_another_schema_is_said(base: Path) -> None:
    before = await compare(base, "customers")
    change(base, "create index by_name on customers (name)")
    assert (await compare(base, "customers", before=before)).words.startswith("schema: ")


async def test_a_missing_table_is_named(base: Path) -> None:
    finding = await compare(base, "orders", "refunds")
    assert (finding.verdict, finding.words) == (Verdict.FAILED, "the table refunds is missing")


async def test_a_hostile_table_name_is_only_a_name(base: Path) -> None:
    finding = await compare(base, 'orders"; drop table orders; --')
    assert finding.verdict is Verdict.FAILED
    assert (await compare(base, "orders")).verdict is Verdict.PASSED


async def test_a_table_may_have_any_name(base: Path) -> None:
    change(base, 'create table "odd "" name" (a)', 'insert into "odd "" name" values (1)')
    assert contents(await compare(base, 'odd " name')).tables['odd " name'].count == 1


async def test_text_in_no_encoding_is_read(base: Path) -> None:
    change(base, "insert into customers values (cast(x'fffe' as text))")
    assert (await compare(base, "customers")).verdict is Verdict.PASSED
    assert (await ask(base, "select name from customers", equals="\\xff\\xfe")).verdict is Verdict.PASSED


async def test_a_check_may_be_called_by_a_name_of_its_own(base: Path) -> None:
    check = QueryCheck(
        when=When.OFFLINE, label="no debts", url="sqlite:///shop.db", base=base, query="select 1"
    )
    assert (await check.look(None, NOW)).name == "no debts"


BIGGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("conditions", "verdict", "words"),
    [
        ({"equals": BIGGEST}, Verdict.PASSED, "9,223,372,036,854,775,807"),
        (
            {"equals": BIGGEST - 1},
            Verdict.FAILED,
            "9,223,372,036,854,775,807, not 9,223,372,036,854,775,806",
        ),
        (
            {"maximum": BIGGEST - 1},
            Verdict.FAILED,
            "9,223,372,036,854,775,807, more than 9,223,372,036,854,775,806",
        ),
        ({"minimum": BIGGEST}, Verdict.PASSED, "9,223,372,036,854,775,807"),
    ],
)
async def test_a_whole_number_is_told_and_compared_to_its_last_digit(
    base: Path, conditions: dict[str, int], verdict: Verdict, words: str
) -> None:
    finding = await ask(base, f"select {BIGGEST}", **conditions)
    assert (finding.verdict, finding.words) == (verdict, words)
    assert number(finding.value) == "9,223,372,036,854,775,807"
    assert json.loads(json.dumps(finding.value), parse_int=float) == finding.value  # by any reader of JSON


@pytest.mark.parametrize(
    ("query", "equals", "words"),
    [
        ("select '0'", 0, "'0' is a text, 0 was expected"),
        ("select 0", "0", "0 is a number, '0' was expected"),
        ("select 1", True, "1 is a number, true was expected"),
        ("select x'00'", 0, "\"x'00'\" is a text, 0 was expected"),
        ("select 'on'", "off", "'on', not 'off'"),
    ],
)
async def test_a_value_of_another_kind_is_said_to_be_one(
    base: Path, query: str, equals: float | str, words: str
) -> None:
    finding = await ask(base, query, equals=equals)
    assert (finding.verdict, finding.words) == (Verdict.FAILED, words)


async def test_a_text_between_two_numbers_is_said_to_be_a_text(base: Path) -> None:
    words = "'7' is a text, a number was expected"
    assert (await ask(base, "select '7'", minimum=1)).words == words


@pytest.mark.parametrize(
    ("query", "verdict", "words"),
    [
        ("select id from orders limit 3", Verdict.FAILED, "3 rows, one was expected"),
        ("select id from orders", Verdict.FAILED, "1,234 rows, one was expected"),
        (
            "select a.id from orders a, orders b",
            Verdict.FAILED,
            "at least 10,000 rows, one was expected",
        ),
        ("select id from orders where id < 0", Verdict.INCONCLUSIVE, "no rows, one was expected"),
        ("select null", Verdict.INCONCLUSIVE, "NULL, a value was expected"),
        ("select 1, 2", Verdict.FAILED, "2 columns, one was expected"),
    ],
)
async def test_an_answer_of_another_shape_is_said_with_its_count(
    base: Path, query: str, verdict: Verdict, words: str
) -> None:
    finding = await ask(base, query, equals=1)
    assert (finding.verdict, finding.words, finding.value) == (verdict, words, None)


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "drop table orders",
        "attach 'other.db' as other",
        "vacuum",
        "vacuum into 'copy.db'",
        "pragma user_version = 5",
        "insert into customers values ('ana') returning 1",
    ],
)
async def test_a_query_that_writes_is_refused_by_the_connection_and_said(base: Path, query: str) -> None:
    before = {file.name: file.read_bytes() for file in base.iterdir()}
    finding = await ask(base, query, equals=0)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words
    assert {file.name: file.read_bytes() for file in base.iterdir()} == before


async def test_a_writing_query_is_named_as_the_cause(base: Path) -> None:
    words = "the query wants to write, and a check can only read: attempt to write a readonly database"
    assert (await ask(base, "delete from orders", equals=0)).words == words


@pytest.mark.parametrize(
    "query", ["selct 1", "select (", "select 'a", "select length()", "select nothing(1)"]
)
async def test_a_query_that_cannot_be_asked_says_nothing_about_the_data(base: Path, query: str) -> None:
    finding = await ask(base, query, equals=0)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words.startswith("the query cannot be asked: ")


async def test_a_missing_file_is_named_as_the_cause(base: Path) -> None:
    check = QueryCheck(when=When.OFFLINE, url="sqlite:///none.db", base=base, query="select 1", equals=1)
    finding = await check.look(None, NOW)
    words = "the file of the database is not there"
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, words)


async def test_a_lock_is_named_as_the_cause_before_the_time_is_over(base: Path) -> None:
    with closing(sqlite3.connect(base / "shop.db", isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        finding = await ask(base, "select count(*) from orders", equals=1234, timeout=0.3)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words == "another connection holds it: database is locked"


# The steps of SQLite's machine are few and long here: so few that nobody looks at the clock between them.
@pytest.mark.parametrize(
    "query",
    [
        "select sum(length(replace(hex(zeroblob(1000000 + id)), '0', 'ab'))) from orders",
        "select length(replace(hex(zeroblob(20000000)), '0', '1')) + count(*) from orders",
        "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n where i < 0",
    ],
)
async def test_a_look_ends_when_its_time_is_over_whatever_the_query_does(base: Path, query: str) -> None:
    began = monotonic()
    finding = await ask(base, query, equals=0, timeout=0.1)
    assert monotonic() - began < 0.1 + 2 * LAST_SECONDS
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no answer within 0.1 s")


async def test_too_many_rows_are_decided_also_when_the_time_is_over(base: Path) -> None:
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n)"
    query = f"{slow} select i from n where i < 4 or i < 0"
    finding = await ask(base, query, equals=0, timeout=0.2)
    assert (finding.verdict, finding.words) == (Verdict.FAILED, "at least 2 rows, one was expected")


async def test_nothing_is_left_running_when_nobody_wants_the_answer(base: Path) -> None:
    forever = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(base, forever, equals=0)
    for thread in threading.enumerate():
        if thread.name == THREAD:
            await asyncio.to_thread(thread.join, 5)
            assert not thread.is_alive()


async def test_a_long_text_is_cut_and_says_so(base: Path) -> None:
    finding = await ask(base, "select replace(hex(zeroblob(500)), '0', 'x')", equals="y")
    assert finding.words == f"'{'x' * 200}… (1,000 characters)', not 'y'"


async def test_words_of_a_query_that_is_a_reference_are_struck_from_complaints(base: Path) -> None:
    (base / "query.sql").write_text("select id from canary7f3a('canary-7f3a')")
    surroundings = Surroundings(base, base / "spool")
    settings = SqlCheckSettings(
        type="sql", url=URL, query=Reference("file", "query.sql"), equals=1, name="rows"
    )
    check = DiscreetCheck(build(settings, Resolver(surroundings, {})), "sql", surroundings.secrets)
    assert "canary-7f3a" not in surroundings.secrets.struck("near 'canary-7f3a': syntax error")
    assert (await check.look(None, NOW)).verdict is not Verdict.PASSED
