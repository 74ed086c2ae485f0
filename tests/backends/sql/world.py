"""The orders of a shop in an SQLite file, for a query and for a comparison of tables."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Self

from backends.conformance.harness import SHORT_SECONDS
from backends.sql.check import QueryCheck, TablesCheck
from bot.model import When
from tests.postgres import connect, libpq

URL = "sqlite:///shop.db"


def fill(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute("create table orders (id integer primary key, total real, note text)")
        database.executemany(
            "insert into orders values (?, ?, ?)", [(n, n * 1.5, f"n{n}") for n in range(1, 1235)]
        )
        database.execute("create table customers (name text)")


def fill_postgres(url: str) -> str:
    """Returns its address as a check takes it."""
    with connect(url) as database:
        database.execute("create table orders (id bigint primary key, total numeric(12, 2), note text)")
        database.execute("insert into orders select n, n * 1.5, 'n' || n from generate_series(1, 1234) n")
        database.execute("create table customers (name text, vip boolean not null default false)")
        database.execute("create view slow as select pg_sleep(60)::text as a")
    return libpq(url)


class ShopWorld:
    """The file that both look at, and a connection that can lock it."""

    def __init__(self, base: Path, lock: sqlite3.Connection) -> None:
        self.base = base
        self.lock = lock

    @classmethod
    @asynccontextmanager
    async def made(cls, root: Path) -> AsyncIterator[Self]:
        fill(root)
        with closing(sqlite3.connect(root / "shop.db", isolation_level=None)) as lock:
            yield cls(root, lock)


class QueryWorld(ShopWorld):
    def passing(self) -> QueryCheck:
        return self.check("select count(*) from orders where total < 0")

    def failing(self) -> QueryCheck:
        return self.check("select count(*) from orders")

    def unreachable(self) -> QueryCheck:
        return QueryCheck(when=When.OFFLINE, url="sqlite:///no-such.db", base=self.base, query="select 1")

    def slow(self) -> QueryCheck:
        forever = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
        return self.check(forever, SHORT_SECONDS)

    def check(self, query: str, timeout: float = 10.0) -> QueryCheck:
        return QueryCheck(when=When.OFFLINE, url=URL, base=self.base, query=query, equals=0, timeout=timeout)


class TablesWorld(ShopWorld):
    def passing(self) -> TablesCheck:
        return self.check("orders")

    def failing(self) -> TablesCheck:
        return self.check("orders", "refunds")

    def unreachable(self) -> TablesCheck:
        return TablesCheck(when=When.OFFLINE, url="sqlite:///no-such.db", base=self.base, tables=("orders",))

    def slow(self) -> TablesCheck:
        self.lock.execute("begin exclusive")
        return self.check("orders", timeout=SHORT_SECONDS)

    def check(self, *tables: str, timeout: float = 10.0) -> TablesCheck:
        return TablesCheck(when=When.OFFLINE, url=URL, base=self.base, tables=tables, timeout=timeout)


CHECK_WORLDS = (QueryWorld, TablesWorld)
