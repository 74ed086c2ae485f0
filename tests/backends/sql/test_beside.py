"""Whether a look at a database can be one at its copy."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.sql.check import QueryCheck, TablesCheck
from bot.contract import COPY, COPY_OF, COPY_URL
from bot.model import Verdict, When

TOLD = {COPY: "/copies/one.db", COPY_URL: "sqlite:////copies/one.db", COPY_OF: "/srv/orders.db"}


def query(url: str) -> QueryCheck:
    return QueryCheck(when=When.OFFLINE, url=url, base=Path("/srv"), query="select 1", equals=1)


@pytest.mark.parametrize(
    "url", ["sqlite:///orders.db", "sqlite:////srv/orders.db", "sqlite:///../srv/orders.db"]
)
def test_a_look_at_the_database_itself_becomes_one_at_its_copy(url: str) -> None:
    tables = TablesCheck(when=When.OFFLINE, url=url, base=Path("/srv"), tables=("orders",))
    for check in (query(url).beside(TOLD), tables.beside(TOLD)):
        assert check is not None
        assert check.url == TOLD[COPY_URL]


@pytest.mark.parametrize(
    "url", ["sqlite:///other.db", "sqlite:////orders.db", "postgresql://db/srv/orders.db"]
)
def test_a_look_at_another_database_is_none_at_the_copy(url: str) -> None:
    assert query(url).beside(TOLD) is None


def test_where_nobody_says_what_the_copy_is_one_of_nothing_looks_at_it() -> None:
    assert query("sqlite:///orders.db").beside({COPY_URL: TOLD[COPY_URL]}) is None


def test_where_the_copy_has_no_address_nothing_looks_at_it() -> None:
    assert query("sqlite:///orders.db").beside({COPY_OF: TOLD[COPY_OF]}) is None


async def test_a_table_that_is_empty_in_the_restore_point_is_no_doubt_about_its_copy(tmp_path: Path) -> None:
    copy, url = tmp_path / "copy.db", "sqlite:///orders.db"
    with closing(sqlite3.connect(copy)) as made:
        made.execute("create table notes (id integer primary key)")
    told = {COPY_URL: f"sqlite:///{copy}", COPY_OF: str(tmp_path / "orders.db")}
    check = TablesCheck(when=When.OFFLINE, url=url, base=tmp_path, tables=("notes",))
    beside = check.beside(told)
    assert beside is not None
    found = await beside.look(None, datetime.now(UTC))
    assert (found.verdict, found.words.partition(" ")[0]) == (Verdict.PASSED, "notes:")
